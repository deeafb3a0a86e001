"""The face mesh's network without its branch for the lips.

The wheel's model has an output of finer landmarks for the lips, which nothing here reads. Its branch is a ninth of the
network's time, and TensorFlow Lite runs every operator that a model lists. So the list is shortened, in memory, before
the model is loaded.

A model is a flatbuffer: tables whose fields are numbered, in the order of TensorFlow Lite's schema.
"""

import struct

from flatbuffers.number_types import UOffsetTFlags
from flatbuffers.table import Table

_SUBGRAPHS = 2
"""Field of a Model. The others follow by table."""
_TENSORS, _OUTPUTS, _OPERATORS = 0, 2, 3
_READS, _WRITES = 1, 2
"""Fields of an Operator: its tensors, as positions in the list of all tensors."""
_NAME = 3
"""Field of a Tensor."""
_WORD = UOffsetTFlags.bytewidth


def without_output(model: bytes, name: str) -> bytes:
    """`model` without the output `name`, and without the operators that only this output needs.

    Their weights stay where they are, and cost nothing. Raises ValueError if the model has no such output.
    """
    buffer = bytearray(model)
    (network,) = _tables(Table(buffer, struct.unpack_from("<I", buffer)[0]), _SUBGRAPHS)
    tensors, operators = _tables(network, _TENSORS), _tables(network, _OPERATORS)
    outputs = [output for output in _numbers(network, _OUTPUTS) if _text(tensors[output], _NAME) != name]
    if len(outputs) == len(_numbers(network, _OUTPUTS)):
        raise ValueError(f"The model has no output {name}.")
    needed = _needed(outputs, [(_numbers(one, _READS), _numbers(one, _WRITES)) for one in operators])
    _shorten(network, _OUTPUTS, outputs)
    first = network.Vector(_slot(network, _OPERATORS))
    # Each entry says how far behind itself its table is.
    _shorten(network, _OPERATORS, [operators[one].Pos - first - _WORD * at for at, one in enumerate(needed)])
    return bytes(buffer)


def _needed(outputs: list[int], operators: list[tuple[list[int], list[int]]]) -> list[int]:
    """Which operators, in their order, it takes to write `outputs`; each operator with what it reads and writes."""
    writers = {tensor: index for index, (_, written) in enumerate(operators) for tensor in written}
    needed: set[int] = set()
    wanted = list(outputs)
    while wanted:
        writer = writers.get(wanted.pop())
        if writer is not None and writer not in needed:
            needed.add(writer)
            wanted += operators[writer][0]
    return sorted(needed)


def _slot(table: Table, field: int) -> int:
    """How far behind the table's beginning the field is."""
    return int(table.Offset(4 + 2 * field))


def _numbers(table: Table, field: int) -> list[int]:
    slot = _slot(table, field)
    return list(struct.unpack_from(f"<{table.VectorLen(slot)}i", table.Bytes, table.Vector(slot)))


def _tables(table: Table, field: int) -> list[Table]:
    slot = _slot(table, field)
    first = table.Vector(slot)
    return [Table(table.Bytes, table.Indirect(first + _WORD * at)) for at in range(table.VectorLen(slot))]


def _text(table: Table, field: int) -> str:
    return bytes(table.String(table.Pos + _slot(table, field))).decode()


def _shorten(table: Table, field: int, numbers: list[int]) -> None:
    """Write these over the list's beginning, and its new length before it."""
    first = table.Vector(_slot(table, field))
    struct.pack_into(f"<{1 + len(numbers)}i", table.Bytes, first - _WORD, len(numbers), *numbers)
