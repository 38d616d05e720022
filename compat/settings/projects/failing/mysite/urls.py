from nowhere import views  # noqa: F401
