"""Runs a verifiable client of confluent-kafka: verifiable.py SCRIPT ARGUMENT ...

The scripts that the source distribution carries are older than Python 3: they ask a dictionary for `iteritems`, and write bytes as JSON.
"""

import argparse
import functools
import json
import os
import runpy
import sys


class Arguments(dict):
    iteritems = dict.items


def parse(parser, *arguments):
    parsed = whole(parser, *arguments)
    parsed.__dict__ = Arguments(parsed.__dict__)
    return parsed


whole = argparse.ArgumentParser.parse_args
argparse.ArgumentParser.parse_args = parse
json.dumps = functools.partial(json.dumps, default=bytes.decode)
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
