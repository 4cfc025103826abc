"""`anxin top`: a running platform in the terminal, from the parts' own /metrics. Numbers only, nobody's name."""
