from configurations import Configuration, values


class Base(Configuration):
    SECRET_KEY = values.SecretValue(environ_prefix="SHOP")
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    USE_TZ = True


class Production(Base):
    ALLOWED_HOSTS = ["shop.example"]
