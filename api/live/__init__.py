"""The live stream: snapshot, frames in order, resume, renewal, and closing who is too slow or may see it no more."""
