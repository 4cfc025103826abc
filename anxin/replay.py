"""`anxin replay`: a recording of devices, or the dead letters of ingest."""

from importlib import import_module


def main(argv: list[str] | None = None) -> int:
    """The first word decides; each half is imported only when it is asked for."""
    words = argv or []
    dead_letters = words[:1] == ["dead-letters"]
    half = import_module("ingest.replay_cli" if dead_letters else "simulators.replay_cli")
    code: int = half.main(words[1:] if dead_letters else words)
    return code
