import sys

sys.exit("set DATABASE first")
