from django.http import HttpResponseBadRequest, HttpResponseNotFound, HttpResponseServerError
from django.contrib.auth import get_user_model

urlpatterns = []


def bad_request(request, exception):
    return HttpResponseBadRequest("<p>bad</p>")


def not_found(request, exception):
    return HttpResponseNotFound("<p>no %s</p>" % request.path)


def server_error(request):
    return HttpResponseServerError("<p>%d users</p>" % get_user_model().objects.count())


handler400 = bad_request
handler404 = not_found
handler500 = server_error
