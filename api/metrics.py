"""What the API tells Prometheus of itself."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("anxin_http_requests_total", "HTTP requests answered.", ["method", "route", "status"])
LATENCY = Histogram(
    "anxin_http_request_seconds",
    "Time from the request's first byte to the end of the answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SOCKETS = Gauge("anxin_live_sockets", "Live sockets that have got their hello and are open.")
CLOSES = Counter("anxin_live_closes_total", "Live sockets closed by the API, by close code.", ["code"])
FRAMES = Counter("anxin_live_frames_total", "Alert frames put into socket queues.")
FRAME_DELAY = Histogram(
    "anxin_live_frame_delay_seconds",
    "From the moment an alert event carries to the moment its frame is queued for the sockets.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
SHOWN_DELAY = Histogram(
    "anxin_live_shown_delay_seconds",
    "From the moment an alert event carries to a console's word that it is on the screen.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 30),
)
ALARMS_HEARD = Counter("anxin_emergency_cries_total", "Cries for help heard on the alarm lane by this process.")
PROVISIONAL = Counter(
    "anxin_emergency_provisional_total",
    "What became of cries that rang before they were stored: raised, matched, already_stored, unmatched.",
    ["outcome"],
)
PROVISIONAL_LIVE = Gauge("anxin_emergency_provisional_alerts", "Alerts on the consoles that are not stored.")
PROVISIONAL_DELAY = Histogram(
    "anxin_emergency_provisional_delay_seconds",
    "From the receipt of a cry to its provisional frame in the socket queues.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 1.25, 1.5, 2, 3, 5, 10),
)
DATABASE_AWAY = Gauge("anxin_emergency_database_away", "1 while the database does not answer this process.")
