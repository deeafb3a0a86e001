"""The metrics as Prometheus reads them."""

from collections.abc import Iterator, Mapping

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rtc_server.metrics.measurements import MEASUREMENTS, Kind, Measurement, Parts
from rtc_server.tally import Histogram

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Exposition:
    """Of one server. With the processor time, the memory and the open files of its process."""

    def __init__(self, parts: Parts) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Readings(parts))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Takes some milliseconds. Call it on the event loop: what it reads belongs to that."""
        return generate_latest(self._registry)


class _Readings(Collector):
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        return (_family(measurement, self._parts) for measurement in MEASUREMENTS)


def _family(measurement: Measurement, parts: Parts) -> Metric:
    name, meaning = f"rtc_server_{measurement.name}", measurement.meaning
    labels = [measurement.label] if measurement.label is not None else []
    reading = measurement.read(parts)
    if isinstance(reading, Histogram):
        return _histogram(name, meaning, reading)
    make = CounterMetricFamily if measurement.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(name, meaning, labels=labels)
    for value, number in reading.items() if isinstance(reading, Mapping) else [(None, reading)]:
        family.add_metric([value] if value is not None else [], number)
    return family


def _histogram(name: str, meaning: str, histogram: Histogram) -> HistogramMetricFamily:
    counts, total = histogram.read()
    bounds = [*map(str, histogram.bounds), "+Inf"]
    family = HistogramMetricFamily(name, meaning)
    family.add_metric([], buckets=list(zip(bounds, counts, strict=True)), sum_value=total)
    return family
