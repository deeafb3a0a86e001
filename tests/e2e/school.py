"""A school that answers by the API's contract, with as many learners as a test wants, in states that it chooses.

Two hundred learners with cameras are more than a computer carries, and an hour of one is too long for a test.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer

from rtc_server.web.pages import page_routes

STATIC = Path(__file__).parents[2] / "static"
Live = dict[str, Any]
NAMES = (
    "Amihan Reyes", "Bayani Cruz", "Carmela Santos", "Dalisay Ocampo", "Efren Bautista", "Florencia Dizon",
    "Gregorio Lim", "Hiraya Mendoza", "Isagani Ramos", "Jasmine Uy", "Kidlat Navarro", "Ligaya Torres",
    "Mayumi Aquino", "Nestor Villanueva", "Ofelia Garcia", "Paolo Castillo", "Querubin Flores", "Rosario Tan",
    "Sinag Domingo", "Tala Marquez", "Urduja Salazar", "Vicente Pascual",
)  # fmt: skip
REASONS = {
    "focused": ("on_screen",),
    "unfocused": ("looking_left", "looking_down", "head_turned", "no_face", "eyes_closed", "looking_up"),
    "unknown": ("low_light", "no_frames", "too_small", "blurred"),
}
RECENT_S = 600.0
SPANS_IN_ONE_ANSWER = 30


def name_of(user_id: int) -> str:
    return NAMES[(user_id - 1) % len(NAMES)]


def course(chance: random.Random, seconds: float, share: float = 0.8) -> list[dict[str, Any]]:
    """Spans of a lesson of so many seconds, of which about this share is turned to the screen."""
    spans: list[dict[str, Any]] = []
    at = 0.0
    while at < seconds:
        state = "focused" if not spans or spans[-1]["state"] != "focused" else "unfocused"
        if state == "unfocused" and chance.random() < 0.16:
            state = "unknown"
        length = chance.expovariate(1 / (55 * share if state == "focused" else 60 * (1 - share)))
        reasons = REASONS[state]
        reason = reasons[min(int(chance.expovariate(0.9)), len(reasons) - 1)]
        end = min(seconds, at + max(1.5, length))
        spans.append({"start_s": round(at, 3), "end_s": round(end, 3), "state": state, "reason": reason})
        at = end
    return spans


def sums(spans: Iterable[dict[str, Any]]) -> dict[str, float]:
    total = {"focused_s": 0.0, "unfocused_s": 0.0, "unknown_s": 0.0}
    for span in spans:
        total[f"{span['state']}_s"] += span["end_s"] - span["start_s"]
    return {name: round(value, 3) for name, value in total.items()}


def live_learner(
    user_id: int,
    state: str = "focused",
    reason: str = "on_screen",
    since_s: float = 40.0,
    *,
    lesson_s: float = 1500.0,
    share: float = 0.8,
    **others: object,
) -> Live:
    """One who came `lesson_s` ago and has been in this state for `since_s`."""
    now = datetime.now(UTC)
    spans = course(random.Random(user_id), lesson_s - since_s, share)
    spans.append({"start_s": lesson_s - since_s, "end_s": lesson_s, "state": state, "reason": reason})
    began = now - timedelta(seconds=lesson_s)

    def at(seconds: float) -> str:
        return (began + timedelta(seconds=seconds)).isoformat()

    recent = [
        {"start": at(max(span["start_s"], lesson_s - RECENT_S)), "end": at(span["end_s"]), "state": span["state"],
         "reason": span["reason"]}
        for span in spans if span["end_s"] > lesson_s - RECENT_S
    ]  # fmt: skip
    return {
        "focus_session_id": f"00000000-0000-4000-8000-{user_id:012}",
        "user_id": user_id,
        "display_name": name_of(user_id),
        "module_id": 3,
        "section_id": None,
        "state": state,
        "reason": reason,
        "since": at(lesson_s - since_s),
        "paused": reason == "paused",
        "connected": True,
        "second_person": False,
        "calibration_quality": "good" if user_id % 3 else None,
        **sums(spans),
        "started_at": began.isoformat(),
        "recent": recent,
        **others,
    }


def lesson() -> list[Live]:
    """A lesson as lessons are: most look at the screen, and each kind of everything else is there."""
    special: dict[int, Live] = {
        3: live_learner(3, "unfocused", "looking_left", 94, share=0.6),
        5: live_learner(5, "unfocused", "looking_down", 41),
        8: live_learner(8, "unfocused", "no_face", 187, share=0.55),
        11: live_learner(11, "unfocused", "eyes_closed", 12),
        13: live_learner(13, "unknown", "low_light", 75),
        15: live_learner(15, "unknown", "paused", 120),
        17: live_learner(17, second_person=True, since_s=64),
        20: live_learner(20, since_s=250, connected=False, end_reason="stopped"),
    }
    return [special.get(n) or live_learner(n, since_s=15 + 13 * n, share=0.72 + (n % 5) / 20) for n in range(1, 23)]


def crowd(count: int) -> list[Live]:
    chance = random.Random(count)
    states = [chance.choices(("focused", "unfocused", "unknown"), (8, 2, 1))[0] for _ in range(count)]
    return [
        live_learner(n, state, chance.choice(REASONS[state]), chance.uniform(1, 200))
        for n, state in enumerate(states, start=1)
    ]


def history(user_id: int, days: int = 14) -> list[dict[str, Any]]:
    """Sessions of one learner, a lesson on each working day; the newest is live."""
    now = datetime.now(UTC)
    sessions = []
    for ago in range(days):
        began = now - timedelta(days=ago, minutes=48 if ago == 0 else 55 + 20 * (ago % 3))
        if ago and began.weekday() >= 5:
            continue
        chance = random.Random(1000 * user_id + ago)
        lasted = 48 * 60.0 if ago == 0 else chance.uniform(1500, 3400)
        spans = course(chance, lasted, 0.86 - 0.03 * (ago % 5) - 0.005 * ago)
        sessions.append(
            {
                "focus_session_id": f"00000000-0000-4000-{9000 + ago}-{user_id:012}",
                "user_id": user_id,
                "display_name": name_of(user_id),
                "module_id": 3,
                "section_id": None,
                "policy": "reading/1",
                "started_at": began.isoformat(),
                "recorded_at": (began + timedelta(seconds=lasted)).isoformat(),
                "ended_at": None if ago == 0 else (began + timedelta(seconds=lasted)).isoformat(),
                "end_reason": None if ago == 0 else ("failed" if ago == 5 else "stopped"),
                **sums(spans),
                "multiple_faces_s": 74.0 if ago == 0 else 0.0,
                "focused_stretches": sum(span["state"] == "focused" for span in spans),
                "unfocused_stretches": sum(span["state"] == "unfocused" for span in spans),
                "calibration_quality": ("good", "fair", None)[ago % 3],
                "calibration_error_deg": (1.8, 3.4, None)[ago % 3],
                "spans": spans,
                "multiple_faces": [{"start_s": 1210.0, "end_s": 1284.0}] if ago == 0 else [],
                "merged_spans": 0,
                "row": None,
            }
        )
    return sessions


@dataclass
class School:
    learners: list[Live]
    sessions: list[dict[str, Any]] = field(default_factory=list)
    modules: tuple[int, ...] = (3,)
    demo: bool = True
    may_erase: bool = True
    sums_only: bool = False
    every_second: bool = False
    """Tell each learner again each second."""
    erased: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _feeds: list[asyncio.Queue[tuple[str, object] | None]] = field(default_factory=list)

    def totals(self) -> dict[str, int]:
        here = [one["state"] for one in self.learners if one["connected"]]
        counts = {state: here.count(state) for state in ("focused", "unfocused", "unknown")}
        return {"learners": len(here), **counts, "gone": len(self.learners) - len(here)}

    def say(self, event: str, data: object) -> None:
        for feed in self._feeds:
            feed.put_nowait((event, data))

    def change(self, user_id: int, **changes: object) -> None:
        """Of one learner, told to all who look."""
        (learner,) = [one for one in self.learners if one["user_id"] == user_id]
        learner.update(changes)
        self.say("learner", learner)

    def hang_up(self) -> None:
        for feed in self._feeds:
            feed.put_nowait(None)

    def token(self, role: str = "teacher", user_id: int = 7) -> str:
        claims = {"sub": str(user_id), "module_id": self.modules[0], "modules": list(self.modules), "role": role}
        return jwt.encode(claims, "x" * 32)

    def routes(self) -> list[web.RouteDef]:
        api = "/api/v1"
        return [
            *page_routes(STATIC),
            web.post("/demo/token", self._demo_token),
            web.get(f"{api}/class", self._class),
            web.get(f"{api}/sessions", self._sessions),
            web.get(f"{api}/sessions/{{id}}", self._session),
            web.get(f"{api}/sessions.csv", self._export),
            web.get(f"{api}/sessions.ndjson", self._export),
            web.get(f"{api}/sums", self._sums),
            web.delete(f"{api}/learners/{{user_id}}", self._erase),
        ]

    async def _demo_token(self, request: web.Request) -> web.Response:
        if not self.demo:
            raise web.HTTPNotFound
        asked = await request.json()
        user_id = asked.get("user_id") or 7
        return web.json_response({"token": self.token(asked["role"], user_id), "user_id": user_id, "module_id": 3})

    def _grant(self, request: web.Request) -> dict[str, Any]:
        self.asked.append(request.path_qs)
        header = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            return dict(jwt.decode(header, "x" * 32, algorithms=["HS256"]))
        except jwt.PyJWTError:
            raise _problem(web.HTTPUnauthorized, "token_invalid", "The token is malformed or not valid yet.") from None

    async def _class(self, request: web.Request) -> web.StreamResponse:
        if self._grant(request)["role"] != "teacher":
            raise _problem(web.HTTPForbidden, "not_allowed", "A class is shown to its teachers only.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        feed: asyncio.Queue[tuple[str, object] | None] = asyncio.Queue()
        shown = [] if self.sums_only else self.learners
        whole = {"at": _now(), "module_id": 3, "learners": shown, "totals": self.totals()}
        feed.put_nowait(("class", whole))
        self._feeds.append(feed)
        ticking = asyncio.create_task(self._tick(feed))
        try:
            while (said := await feed.get()) is not None:
                event, data = said
                await response.write(f"event: {event}\r\ndata: {json.dumps(data)}\r\n\r\n".encode())
        except ConnectionError:
            pass
        finally:
            ticking.cancel()
            self._feeds.remove(feed)
        return response

    async def _tick(self, feed: asyncio.Queue[tuple[str, object] | None]) -> None:
        while self.every_second:
            for learner in self.learners:
                feed.put_nowait(("learner", {**learner, "focused_s": learner["focused_s"] + 1}))
            await asyncio.sleep(1)

    async def _sessions(self, request: web.Request) -> web.Response:
        self._grant(request)
        if self.sums_only:
            raise _problem(web.HTTPForbidden, "group_too_small", "Teachers see sums only here, of 5 learners or more.")
        found = [session for session in self.sessions if str(session["user_id"]) == request.query["user_id"]]
        return web.json_response({"sessions": [_without_spans(session) for session in found], "next": None})

    async def _session(self, request: web.Request) -> web.Response:
        self._grant(request)
        for session in self.sessions:
            if session["focus_session_id"] == request.match_info["id"]:
                after = int(request.query.get("spans_after", -1)) + 1
                spans = session["spans"][after : after + SPANS_IN_ONE_ANSWER]
                last = after + len(spans) - 1
                following = last if last + 1 < len(session["spans"]) else None
                return web.json_response({**session, "spans": spans, "next": following})
        raise _problem(web.HTTPNotFound, "focus_session_unknown", "There is no such focus session.")

    async def _export(self, request: web.Request) -> web.Response:
        self._grant(request)
        found = [_without_spans(session) for session in self.sessions]
        if request.path.endswith(".csv"):
            rows = [",".join(found[0]), *(",".join(map(str, session.values())) for session in found)]
            return web.Response(text="\r\n".join(rows), content_type="text/csv")
        return web.Response(text="\n".join(map(json.dumps, found)), content_type="application/x-ndjson")

    async def _sums(self, request: web.Request) -> web.Response:
        self._grant(request)
        if request.query["by"] == "module":
            return web.json_response(
                {"sums": [_sum(self.learners, module_id=3)] if self.learners else [], "next": None}
            )
        days: dict[str, list[dict[str, Any]]] = {}
        for session in self.sessions:
            days.setdefault(session["started_at"][:10], []).append(session)
        return web.json_response({"sums": [_sum(some, day=day) for day, some in sorted(days.items())], "next": None})

    async def _erase(self, request: web.Request) -> web.Response:
        self._grant(request)
        if not self.may_erase:
            raise _problem(web.HTTPForbidden, "not_allowed", "Learners may not erase here.")
        self.erased.append(int(request.match_info["user_id"]))
        self.sessions.clear()
        return web.Response(status=204)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _without_spans(session: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in session.items() if name not in ("spans", "multiple_faces", "row")}


def _sum(some: list[dict[str, Any]], **by: object) -> dict[str, Any]:
    total = {name: sum(one[name] or 0.0 for one in some) for name in ("focused_s", "unfocused_s", "unknown_s")}
    known = total["focused_s"] + total["unfocused_s"]
    learners = len({one["user_id"] for one in some})
    return {**by, "learners": learners, "sessions": len(some), **total, "share": total["focused_s"] / known}


def _problem(kind: type[web.HTTPException], code: str, detail: str) -> web.HTTPException:
    text = json.dumps({"title": "Refused", "detail": detail, "code": code})
    return kind(text=text, content_type="application/problem+json")


@asynccontextmanager
async def open_school(school: School, port: int | None = None) -> AsyncIterator[str]:
    """Its address. port: by default a free one."""
    application = web.Application()
    application.add_routes(school.routes())
    async with TestServer(application, port=port) as server:
        try:
            yield str(server.make_url("/"))
        finally:
            school.hang_up()
