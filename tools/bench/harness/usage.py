"""The command line of every script here: what it does not take ends with status 64, as in the reprise command."""
import argparse
import sys

USAGE = 64


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")
