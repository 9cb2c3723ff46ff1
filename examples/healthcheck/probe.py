"""Asks the server how it is: ends with 0 if well, else with 1 and one line."""

import sys
import urllib.request

# Not localhost: that name may mean ::1, where the server does not listen.
URL = "http://127.0.0.1:8000/health"

try:
    # An answer such as 503 is an error here, and so is none in time.
    urllib.request.urlopen(URL, timeout=3)
except OSError as error:
    sys.exit(f"{URL}: {error}")
