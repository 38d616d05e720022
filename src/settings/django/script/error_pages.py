# ---------------------------------------------------------------------------------------------------------------------
# error_pages
# ---------------------------------------------------------------------------------------------------------------------


class NoDatabase(Exception):
    """Raised where an error page turns to the database."""


def error_pages(project):
    """The 400, 404 and 500 pages of the project, where they are the same for every request."""
    from django.conf import settings
    from django.urls import get_resolver

    found = {"unsupported": []}
    for status in (400, 404, 500):
        found[str(status)] = None
        if settings.DEBUG:
            continue
        try:
            handler = get_resolver().resolve_error_handler(status)
            if is_django_page(handler, status):
                continue
            found[str(status)] = steady_page(handler, status)
        except Refused as error:
            found["unsupported"].append("the %d page: %s" % (status, error))
        except Exception as error:
            found["unsupported"].append("the %d page: %s" % (status, sentence_of(error)))
    if settings.DEBUG:
        found["unsupported"].append("with DEBUG = True the 400, 404 and 500 pages are Django's debug pages")
    return found


def is_django_page(handler, status):
    """Whether it is Django's own handler (django/views/defaults.py) and the project has no template for it."""
    from django.template import TemplateDoesNotExist, loader

    if getattr(handler, "__module__", None) != "django.views.defaults":
        return False
    try:
        loader.get_template("%d.html" % status)
    except TemplateDoesNotExist:
        return True
    return False


def steady_page(handler, status):
    """The page's text, rendered for requests that differ in all that a request has."""
    from django.conf import settings
    from django.utils import translation

    translated = settings.USE_I18N and any(middleware_kind(path) == "locale" for path in settings.MIDDLEWARE)
    codes = [code for code, _ in settings.LANGUAGES][:5] if translated else [settings.LANGUAGE_CODE]
    with no_database():
        pages = set()
        for path, host in (("/quartz/", "one.example"), ("/other/wave/?a=b", "two.example")):
            for code in codes:
                with translation.override(code):
                    pages.add(rendered(handler, status, path, host))
    if len(pages) != 1:
        raise Refused("it differs from request to request")
    return pages.pop()


def rendered(handler, status, path, host):
    from django.http import Http404
    from django.core.exceptions import SuspiciousOperation
    from django.test import RequestFactory

    request = RequestFactory().get(path, SERVER_NAME=host)
    errors = {400: SuspiciousOperation(path), 404: Http404({"path": path})}
    response = handler(request) if status == 500 else handler(request, exception=errors[status])
    if inspect.iscoroutine(response):
        response.close()
        raise Refused("its handler is a coroutine")
    if hasattr(response, "render") and not getattr(response, "is_rendered", True):
        response = response.render()
    if response.status_code != status or response.streaming:
        raise Refused("its handler answers %d" % response.status_code)
    if response.headers.get("Content-Type") not in ("text/html", "text/html; charset=utf-8"):
        raise Refused("it is %s" % response.headers.get("Content-Type"))
    if response.cookies or set(response.headers) - {"Content-Type", "Content-Length"}:
        raise Refused("it sets headers or cookies")
    return response.content.decode("utf-8")


@contextlib.contextmanager
def no_database():
    """Within, connecting to a database fails: what a page reads there is not the same for ever."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    original = BaseDatabaseWrapper.ensure_connection
    touched = []

    def ensure_connection(self):
        touched.append(self.alias)
        raise NoDatabase("it reads the database")

    BaseDatabaseWrapper.ensure_connection = ensure_connection
    try:
        yield
    except Exception as error:
        if not touched:
            raise
        raise Refused("it reads the database") from error
    finally:
        BaseDatabaseWrapper.ensure_connection = original
    if touched:
        raise Refused("it reads the database")


