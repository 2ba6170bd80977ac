"""The same thing in frame after frame: track ids for detections, at any frame rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgecv.boxes import iou
from edgecv.motion import Motion, MotionModel, corrected, first_seen, measured, moved
from edgecv.results import Detections
from edgecv.types import Array, FloatArray, IntArray

GATE = 13.28
"""A detection is no further from a prediction than this squared distance, in standard deviations:
99 % of the right ones are nearer (chi-squared with 4 degrees of freedom: centre, width, height)."""
NEW = 1.0
"""It is a new thing where twice the negative logarithm of its likelihood under the prediction, in
units of the box's size, exceeds this: what was lost long ago may not claim anything near it."""
OVERLAP = 0.3
"""Whatever the prediction says, boxes that overlap this much (IoU) may be the same thing, as in
Bewley et al. 2016 ("SORT")."""
OTHER_CLASS = 0.5
"""A box of another class has to overlap this much with a prediction, and comes after all of the
same class: models take cars for trucks, and back."""
DUPLICATE = 0.55
"""A box starts no track where it overlaps this much with one that belongs to a track already."""
_LATE = 1e6  # added to the cost of another class


@dataclass
class _Track:
    """One thing, as far as it is known.

    Attributes:
        motion: Where it is, at the time of the tracker's last update.
        first: When it was first seen, seconds.
        seen: When it was last seen.
        score: Its last score.
        votes: The sum of scores by class id.
        hits: How often it was seen.
        id: 0 until it is confirmed.
    """

    motion: Motion
    first: float
    seen: float
    score: float = 0.0
    votes: dict[int, float] = field(default_factory=dict)
    hits: int = 0
    id: int = 0

    @property
    def class_id(self) -> int:
        """The class that its scores speak for."""
        return max(self.votes, key=self.votes.__getitem__)

    def vote(self, class_id: int, score: float, time: float) -> None:
        """Note a sighting."""
        self.votes[class_id] = self.votes.get(class_id, 0.0) + score
        self.score, self.seen, self.hits = score, time, self.hits + 1


class Tracker:
    """Gives detections the ids of the things that they show.

    Each thing has a predicted place with an uncertainty that grows with the time since it was last
    seen (`edgecv.motion`). Detections are given, most likely pairs first, to the predictions that
    they fit: the sure ones first, then the unsure ones to things that are still missing, because
    something half hidden gets a low score. Source: Zhang et al. 2022, "ByteTrack", for the two
    rounds; here all of it is in seconds, so that few and irregular frames will do.

    Open the model with `score=low`, or the unsure detections never get here, and show what has an
    id: ``tracked = tracker.update(found, frame.time); tracked[tracked.track_ids >= 0]``.

    Args:
        high: A detection of this score, 0..1, can start a track.
        low: One of this score can continue a track that has an id.
        confirm: Seconds from the first sighting until a thing gets its id: longer means fewer ids
            for things that are not there. Unseen for so long before that, it is forgotten.
        min_hits: How often it has to be seen until then.
        max_lost: Seconds that an unseen thing keeps its id. Longer bridges longer gaps, but gives
            the id to somebody else more often.
        motion: How things move.

    Raises:
        ValueError: A score or a time is out of range.
    """

    def __init__(
        self,
        *,
        high: float = 0.5,
        low: float = 0.1,
        confirm: float = 0.2,
        min_hits: int = 2,
        max_lost: float = 2.0,
        motion: MotionModel | None = None,
    ) -> None:
        if not 0 <= low <= high <= 1:
            raise ValueError(f"wanted 0 <= low <= high <= 1, got low {low} and high {high}")
        if not (confirm >= 0 and max_lost > 0 and min_hits >= 1):
            raise ValueError(
                "wanted confirm >= 0, max_lost > 0 and min_hits >= 1, "
                f"got {confirm}, {max_lost} and {min_hits}"
            )
        self._high, self._low = high, low
        self._confirm, self._min_hits, self._max_lost = confirm, min_hits, max_lost
        self._model = motion or MotionModel()
        self._tracks: list[_Track] = []
        self._time = -math.inf
        self._last_id = 0
        self._last: Detections | None = None

    def update(self, detections: Detections, time: float) -> Detections:
        """Return the same detections with the ids of their tracks, -1 where there is none (yet).

        Args:
            detections: What was found in the next frame.
            time: When the frame was captured, in seconds of any clock that never goes back:
                `Frame.time`, or for a recording the place in it, for it is read at any speed.

        Raises:
            ValueError: `time` is before that of the frame before, or is not a number.
        """
        self._advance(time)
        scores = detections.scores
        sure = np.flatnonzero(scores >= self._high)
        unsure = np.flatnonzero((scores >= self._low) & (scores < self._high))
        owner: dict[int, _Track] = {}
        known = [track for track in self._tracks if track.id]
        self._assign(known, sure, detections, owner)
        self._assign(_without(known, owner), unsure, detections, owner)
        self._assign([track for track in self._tracks if not track.id], sure, detections, owner)
        self._start(sure, detections, owner)
        for index, track in owner.items():
            track.vote(int(detections.class_ids[index]), float(scores[index]), self._time)
        self._retire()
        ids = np.full(len(detections), -1, np.int64)
        for index, track in owner.items():
            ids[index] = track.id or -1
        self._last = replace(detections, track_ids=ids)
        return self._last

    def predict(self, time: float) -> Detections:
        """Return where the things of the last update that have an id are at a later time.

        It makes up for the time that inference takes: the boxes are those of now, not of when the
        frame was captured.

        Args:
            time: Seconds, by the clock of `update`.

        Raises:
            ValueError: There was no update yet, or `time` is before the last one.
        """
        if self._last is None:
            raise ValueError("nothing can be predicted before the first update")
        ahead = self._since(time)
        seen = [track for track in self._tracks if track.id and track.seen == self._time]
        seen.sort(key=lambda track: -track.score)
        high, wide = self._last.frame
        boxes = [moved(track.motion, ahead, self._model).box for track in seen]
        return replace(
            self._last,
            boxes=np.clip(_array(boxes, np.float32), 0, (wide, high, wide, high)),
            scores=np.array([track.score for track in seen], np.float32),
            class_ids=np.array([track.class_id for track in seen], np.int64),
            track_ids=np.array([track.id for track in seen], np.int64),
        )

    def _since(self, time: float) -> float:
        if not (math.isfinite(time) and time >= self._time - 1e-6):  # what rounding may cost
            raise ValueError(f"wanted a time of {self._time} s or later, got {time}")
        return max(time - self._time, 0.0) if math.isfinite(self._time) else 0.0

    def _advance(self, time: float) -> None:
        """Move all tracks to `time`, and drop those that were not seen for too long."""
        seconds = self._since(time)
        self._time = max(time, self._time)
        self._tracks = [
            track
            for track in self._tracks
            if self._time - track.seen
            <= (self._max_lost if track.id else max(self._confirm, seconds))
        ]
        for track in self._tracks:
            track.motion = moved(track.motion, seconds, self._model)

    def _assign(
        self, tracks: list[_Track], rows: IntArray, found: Detections, owner: dict[int, _Track]
    ) -> None:
        """Give those of the detections `rows` that nobody owns to the tracks that they fit."""
        free = np.array([row for row in rows.tolist() if row not in owner], np.int64)
        if not tracks or not len(free):
            return
        costs = pair_costs([track.motion for track in tracks], found.boxes[free], self._model)
        overlaps = iou(
            _array([track.motion.box for track in tracks], np.float32), found.boxes[free]
        )
        own = np.array([track.class_id for track in tracks])[:, None] == found.class_ids[free]
        costs[~own] = np.where(overlaps >= OTHER_CLASS, overlaps * -1 + _LATE, np.inf)[~own]
        for i, j in best_pairs(costs):
            row = int(free[j])
            owner[row] = tracks[i]
            tracks[i].motion = corrected(tracks[i].motion, found.boxes[row], self._model)

    def _start(self, rows: IntArray, found: Detections, owner: dict[int, _Track]) -> None:
        """Start a track for every sure detection that is left and no duplicate."""
        for row in rows.tolist():
            if row in owner:
                continue
            taken = found.boxes[list(owner)]
            if (iou(found.boxes[row : row + 1], taken) >= DUPLICATE).any():
                continue
            motion = first_seen(found.boxes[row], self._model)
            owner[row] = _Track(motion, first=self._time, seen=self._time)
            self._tracks.append(owner[row])

    def _retire(self) -> None:
        """Give ids to those that were seen for long enough."""
        for track in self._tracks:
            long_enough = track.seen - track.first >= self._confirm - 1e-9
            if not track.id and long_enough and track.hits >= self._min_hits:
                self._last_id += 1
                track.id = self._last_id


def pair_costs(motions: Sequence[Motion], boxes: FloatArray, model: MotionModel) -> Array:
    """Return how unlikely each box is where each motion is expected.

    Args:
        motions: T predictions.
        boxes: float32 (N, 4), xyxy, pixels.
        model: How exactly boxes are measured.

    Returns:
        float64 (T, N): twice the negative logarithm of the likelihood, up to a constant; infinite
        where it cannot be the same thing.
    """
    state = _array(motions, np.float64, columns=len(Motion._fields))
    sizes = np.array([motion.size for motion in motions])
    seen = _array([measured(box) for box in boxes], np.float64)
    centre = state[:, 6] + (model.noise * sizes) ** 2
    shape = state[:, 9] + model.noise**2
    offset = (seen[None, :, :2] - state[:, None, 0:2]) ** 2
    stretch = (seen[None, :, 2:] - state[:, None, 4:6]) ** 2
    distance = offset.sum(-1) / centre[:, None] + stretch.sum(-1) / shape[:, None]
    spread = 2 * np.log(centre / sizes**2) + 2 * np.log(shape)
    costs: Array = distance + spread[:, None]
    near = iou(_array([motion.box for motion in motions], np.float32), boxes) >= OVERLAP
    return np.where(near | ((distance <= GATE) & (costs <= NEW)), costs, np.inf)


def best_pairs(costs: Array) -> list[tuple[int, int]]:
    """Return pairs of a row and a column by rising cost, each used once, none infinite."""
    pairs, rows, columns = [], set(), set()
    for flat in np.argsort(costs, axis=None, kind="stable").tolist():
        i, j = divmod(flat, costs.shape[1])
        if costs[i, j] == np.inf:
            break
        if i not in rows and j not in columns:
            pairs.append((i, j))
            rows.add(i)
            columns.add(j)
    return pairs


def _without(tracks: list[_Track], owner: dict[int, _Track]) -> list[_Track]:
    taken = {id(track) for track in owner.values()}
    return [track for track in tracks if id(track) not in taken]


def _array(rows: Sequence[Sequence[float]], dtype: type, columns: int = 4) -> Array:
    return np.array(rows, dtype).reshape(-1, columns)
