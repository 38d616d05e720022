from django.urls import include, path, re_path
from django.utils.decorators import decorator_from_middleware
from django.middleware.gzip import GZipMiddleware
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.csrf import csrf_exempt
from django_channels_jwt.views import AsgiValidateTokenView

from mysite.views import OwnGetView, TunedView, audited, bare

ticket = AsgiValidateTokenView.as_view()
inner = ([re_path(r"^ticket/$", ticket), path("<slug:room>/ticket/", ticket)], "inner")

urlpatterns = [
    path("tuned/", TunedView.as_view()),
    path("own-get/", OwnGetView.as_view()),
    path("exempt/", csrf_exempt(ticket)),
    path("cached/", cache_page(60)(ticket)),
    path("never-cached/", never_cache(ticket)),
    path("zipped/", decorator_from_middleware(GZipMiddleware)(ticket)),
    path("audited/", audited(ticket)),
    path("bare/", bare(ticket)),
    path("v1/", include(inner, namespace="v1")),
    re_path(r"^any/(?P<version>v\d+)/", include(inner, namespace="any")),
    re_path(r"open/ticket", ticket),
    path("either/", include([re_path(r"^first/$|^[|](second)/$|(third|fourth)/$", ticket)])),
    re_path(r"^this|that", include([re_path(r"/ticket/$", ticket)])),
    path("twice/", lambda request: None),
    path("twice/", ticket),
    path("initkwargs/", AsgiValidateTokenView.as_view(throttle_classes=[])),
]
