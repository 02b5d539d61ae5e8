"""medacuity: make a medical image better, and keep it true."""

__version__ = "0.1.0"
