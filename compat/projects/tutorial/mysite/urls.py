# mysite/urls.py
from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from rest_framework_simplejwt.views import TokenObtainPairView

urlpatterns = [
    path("chat/", include("chat.urls")),
    path("admin/", admin.site.urls),
    path("login/", TemplateView.as_view(template_name="chat/login.html")),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/auth/", include("django_channels_jwt.urls")),
]
