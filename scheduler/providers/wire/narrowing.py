"""Finds the few bad messages in a group that was rejected as a whole, and sends the rest.

The API rejects a thousand messages for one bad entry. When it names the entry, that one goes;
when it does not, the group is halved. Refuses to hammer, because many rejections earn a block:
a group that fails whole, at its first and at its last message is not tried further.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from scheduler.domain.message import Message
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused
from scheduler.providers.wire.sendgrid_answer import Complaint

#: Rejected requests in one batch: about what four unnamed bad entries in a thousand take.
MOST_REJECTIONS = 40
#: The same while nothing at all has been accepted.
_MOST_IN_VAIN = 3
_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request."""

    #: For every message of the request; if it is `Refused`, for the request as it was.
    outcome: Outcome
    #: What a rejection named.
    complaints: Sequence[Complaint] = ()
    #: Too large is no rejection: halves may pass.
    counts: bool = True


@dataclass(slots=True)
class _Part:
    messages: Sequence[Message]
    #: A request with just these, or with these and sound ones, was rejected.
    is_bad: bool = False


class Narrowing:
    """Sends one batch through `post`, which makes one request."""

    def __init__(self, post: Callable[[Sequence[Message]], Answer]) -> None:
        self._post = post
        self._rejections = 0
        self._any_accepted = False
        self._group_accepted = False
        #: Once set, nothing more is sent: the outcome of all that is left in the batch.
        self._over: Deferred | None = None
        #: The same for what is left of the group in hand.
        self._group_over: Outcome | None = None

    def run(self, groups: Sequence[Sequence[Message]]) -> Iterator[tuple[str, Outcome]]:
        """One outcome per message, as soon as it is known."""
        for group in groups:
            self._group_accepted, self._group_over = False, None
            parts = deque([_Part(group)])
            while parts:
                part = parts.popleft()
                if part.is_bad and len(part.messages) > 1:
                    parts.extend((yield from self._halve(part.messages)))
                else:
                    parts.extend((yield from self._whole(part.messages)))

    def _whole(self, messages: Sequence[Message]) -> _Steps:
        answer, rest = yield from self._try(messages)
        if answer is None or not rest or len(rest) < len(messages):
            return [_Part(rest)] if rest else []
        if self._group_accepted or len(rest) < 3 or not answer.counts:
            return [_Part(rest, is_bad=True)]
        # Is the shared part at fault? Then one alone fails as well.
        sound = []
        for end in (rest[0], rest[-1]):
            tried, _ = yield from self._try([end])
            sound.append(tried is not None and isinstance(tried.outcome, Accepted))
        if not any(sound) and self._group_over is None:
            self._group_over = Deferred(
                f"not tried after: {answer.outcome.detail}", Fault.CONTENT, _PAUSE
            )
        return [_Part(rest[1:-1], is_bad=all(sound))]

    def _halve(self, messages: Sequence[Message]) -> _Steps:
        middle = (len(messages) + 1) // 2
        first, second = messages[:middle], messages[middle:]
        answer, rest = yield from self._try(first)
        if answer is None or len(rest) not in (0, len(first)):
            return [_Part(part) for part in (rest, second) if part]
        if rest:
            return [_Part(second), _Part(rest, is_bad=True)]
        # Sound, or the one culprit: in the first case the fault must be in the other half.
        return [_Part(second, is_bad=isinstance(answer.outcome, Accepted))]

    def _try(self, messages: Sequence[Message]) -> _Attempt:
        """Send these; returns the answer (None: not asked) and those still without an outcome."""
        over = self._group_over or self._over
        if over is not None:
            yield from _all(messages, over)
            return None, []
        answer = self._post(messages)
        outcome = answer.outcome
        if isinstance(outcome, Accepted):
            self._any_accepted = self._group_accepted = True
            yield from _all(messages, outcome)
            return answer, []
        if not isinstance(outcome, Refused):
            # Away, ours to mend, or unknown: the next request would fare no better.
            after = outcome.after if isinstance(outcome, Deferred) else None
            fault = outcome.fault if isinstance(outcome, Deferred) else Fault.TRANSPORT
            self._over = Deferred(f"not tried after: {outcome.detail}", fault, after)
            yield from _all(messages, outcome)
            return answer, []
        if answer.counts:
            self._count_rejection(outcome)
        return answer, (yield from self._sort_out(messages, answer))

    def _sort_out(
        self, messages: Sequence[Message], answer: Answer
    ) -> Generator[tuple[str, Outcome], None, Sequence[Message]]:
        """Settle what the rejection speaks of; the rest is returned."""
        shared = next((c for c in answer.complaints if c.is_shared), None)
        if shared is not None:
            if shared.fault is Fault.CONFIG:
                self._over = Deferred(shared.detail, Fault.CONFIG)
            self._group_over = self._over or Refused(shared.detail, shared.fault)
            yield from _all(messages, self._group_over)
            return []
        named = {c.index: c for c in answer.complaints if c.index is not None}
        if len(messages) == 1:
            complaint = named.get(0)
            fault = complaint.fault if complaint else Fault.CONTENT
            yield messages[0].delivery_id, Refused(answer.outcome.detail, fault)
            return []
        rest = []
        for index, message in enumerate(messages):
            complaint = named.get(index)
            if complaint is None:
                rest.append(message)
            else:
                yield message.delivery_id, Refused(complaint.detail, complaint.fault)
        return rest

    def _count_rejection(self, outcome: Outcome) -> None:
        self._rejections += 1
        most = MOST_REJECTIONS if self._any_accepted else _MOST_IN_VAIN
        if self._rejections >= most:
            self._over = Deferred(
                f"paused after {self._rejections} rejected requests; the last: {outcome.detail}",
                Fault.TRANSPORT,
                _PAUSE,
            )


_Steps = Generator[tuple[str, Outcome], None, list[_Part]]
_Attempt = Generator[tuple[str, Outcome], None, tuple[Answer | None, Sequence[Message]]]


def _all(messages: Sequence[Message], outcome: Outcome) -> Iterator[tuple[str, Outcome]]:
    for message in messages:
        yield message.delivery_id, outcome
