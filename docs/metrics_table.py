"""The table of metrics in docs/operations.md, made from the code: `make docs` writes it, a test compares."""

from pathlib import Path

from rtc_server.metrics.measurements import MEASUREMENTS

OPERATIONS = Path(__file__).parent / "operations.md"
BEGIN, END = "<!-- metrics: made by `make docs` -->\n", "<!-- end of metrics -->"


def with_table(document: str) -> str:
    """The same text with the table made anew. Raises ValueError where its marks are missing."""
    if BEGIN not in document or END not in document:
        raise ValueError(f"operations.md has no marks for the table of metrics: {BEGIN.strip()} and {END}")
    rows = [
        f"| `{one.exposed_name}` | {one.kind.value} | {f'`{one.label}`' if one.label else '–'} | {one.meaning} |\n"
        for one in MEASUREMENTS
    ]
    table = "".join(["| metric | kind | label | meaning |\n", "|---|---|---|---|\n", *rows])
    before, _, rest = document.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    OPERATIONS.write_text(with_table(OPERATIONS.read_text()))
