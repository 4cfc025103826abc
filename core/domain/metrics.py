"""Measured quantities: their stable numbers in the table `reading`, their names and their units.

A number is never used for another metric, not even after a metric was given up.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    number: int
    name: str
    unit: str


METRICS: tuple[Metric, ...] = (
    Metric(1, "heart_rate", "bpm"),
    Metric(2, "spo2", "%"),
    Metric(3, "respiratory_rate", "/min"),
    Metric(4, "body_temperature", "°C"),
    Metric(5, "systolic", "mmHg"),
    Metric(6, "diastolic", "mmHg"),
    Metric(7, "pulse", "bpm"),
    Metric(8, "glucose", "mmol/L"),
    Metric(9, "steps", "1"),
    Metric(10, "temperature", "°C"),
    Metric(11, "humidity", "%"),
    Metric(12, "illuminance", "lx"),
    Metric(13, "water_meter", "m³"),
    Metric(14, "gas_meter", "m³"),
    Metric(15, "power_meter", "kWh"),
    Metric(16, "battery", "%"),
    Metric(17, "carbon_monoxide", "ppm"),
)

METRIC_BY_NAME = {metric.name: metric for metric in METRICS}
METRIC_BY_NUMBER = {metric.number: metric for metric in METRICS}
