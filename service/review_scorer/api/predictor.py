"""Scores texts through the queue, and reports every prediction to telemetry and the prediction log."""

from collections.abc import Sequence

from review_scorer.capacity.admission import Admission
from review_scorer.prediction_log.prediction_ids import LoggedPrediction, PredictionSink
from review_scorer.scoring.scorer import Prediction, Scorer
from review_scorer.scoring.text import ScorableText
from review_scorer.telemetry.middleware import RequestContext, RequestEvents


class Predictor:
    """Scores texts; ``events`` and ``sink``, if any, are notified of every prediction."""

    def __init__(
        self, scorer: Scorer, admission: Admission, events: RequestEvents, sink: PredictionSink | None = None
    ) -> None:
        self.scorer = scorer
        self.admission = admission
        self._events = events
        self._sink = sink

    async def predict(
        self, texts: Sequence[ScorableText], ids: Sequence[str], *, resumed: bool = False
    ) -> list[Prediction]:
        """Return the predictions for ``texts``; ``ids`` are their ids.

        Raises a ``RequestError`` if the wait in the queue is too long, unless the texts continue a ``resumed`` request.
        """
        predictions = await self.admission.queue.run(self.scorer.predict_checked, texts, resumed=resumed)
        self.notify(texts, ids, predictions)
        return predictions

    def notify(
        self,
        texts: Sequence[str],
        ids: Sequence[str],
        predictions: Sequence[Prediction],
        context: RequestContext | None = None,
    ) -> None:
        """Report predictions, which were made in ``context``, the current request by default."""
        self._events.record(texts, predictions, context)
        if self._sink:
            scores = [prediction.score for prediction in predictions]
            self._sink([LoggedPrediction(*each) for each in zip(ids, texts, scores, strict=True)])
