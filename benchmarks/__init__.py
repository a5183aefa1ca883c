"""Speed, measured side by side: the same descents by the engine and by what people would otherwise use.

``python -m benchmarks`` prints the table; ``python -m benchmarks --help`` says what can be chosen.
"""
