import os

from django.core.exceptions import ImproperlyConfigured

raise ImproperlyConfigured("bad token " + os.environ["API_TOKEN"])
