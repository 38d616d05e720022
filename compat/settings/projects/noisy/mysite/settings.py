"""Prints on import, by every way there is, and looks at the words that started it."""

import atexit
import os
import subprocess
import sys
import threading
import time

print("settings of", sys.argv[1])
sys.stdout.write('{"schema": 99}\n')
os.write(1, b"straight to the descriptor\n")
subprocess.run(["echo", "from a child"])
atexit.register(print, "printed at the end")

# A thread that never ends, and is no daemon.
threading.Thread(target=time.sleep, args=(3600,)).start()

TESTING = len(sys.argv) > 1 and sys.argv[1] == "test"
SECRET_KEY = "the-key-of-the-tests" if TESTING else "the-key-of-the-noisy-project"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
