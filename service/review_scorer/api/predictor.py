"""Texts in, stars out, and everybody told: who counts, who logs, who records."""

from collections.abc import Sequence

from review_scorer.capacity.admission import Admission
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, PredictionSink
from review_scorer.scoring.scorer import Prediction, Scorer
from review_scorer.telemetry.middleware import RequestContext, RequestEvents


class Predictor:
    """Scores texts in their turn. ``watch`` takes note of every prediction, and so does ``keep``, if any."""

    def __init__(
        self, scorer: Scorer, admission: Admission, watch: RequestEvents, keep: PredictionSink | None = None
    ) -> None:
        self.scorer = scorer
        self.admission = admission
        self._watch = watch
        self._keep = keep

    async def predict(self, texts: Sequence[str], ids: Sequence[str], *, begun: bool = False) -> list[Prediction]:
        """Return the scores of ``texts``, which were checked, with the details that are counted in any case.

        ``ids`` are what the predictions are called. Raises a ``RequestError`` where there is too much to do, unless
        the texts go on with what was ``begun`` before.
        """
        details = await self.admission.turns.take(self.scorer.predict_many, texts, begun=begun)
        self.tell(texts, ids, details)
        return details

    def tell(
        self,
        texts: Sequence[str],
        ids: Sequence[str],
        details: Sequence[Prediction],
        exchange: RequestContext | None = None,
    ) -> None:
        """Tell everybody of predictions, made in ``exchange``, by default the current one."""
        self._watch.note(texts, details, exchange)
        if self._keep:
            scores = [detail.score for detail in details]
            self._keep([LoggedPrediction(*each) for each in zip(ids, texts, scores, strict=True)])
