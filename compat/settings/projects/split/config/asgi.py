import os

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.production"

from django.core.asgi import get_asgi_application

application = get_asgi_application()
