import os
import sys

if "test" in sys.argv:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings.tests")
else:
    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings.local"
