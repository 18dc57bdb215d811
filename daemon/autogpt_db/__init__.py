"""The AutoGPT Platform's database service as a supervised Linux daemon."""

__version__ = "0.2.0"
