from .base import *  # noqa: F403

SECRET_KEY = "the-key-of-production"
DEBUG = False
ALLOWED_HOSTS = ["shop.example"]
