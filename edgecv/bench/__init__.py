"""Latency as an application sees it: measured in fresh processes, stamped where it is spoiled.

- `setting`: what there is to measure on this machine
- `loop`, `measure`: one round in one process
- `bench`: rounds over all settings in turn
- `record`: what was measured, and its JSON
- `stamps`: what makes a run invalid
- `compare`: whether a run is faster than another
- `sustained`: burst against steady state
- `page`: a report for people
"""
