"""User models of many kinds; a test chooses one by AUTH_USER_MODEL."""

import contextvars
import uuid

from django.contrib.auth.models import AbstractBaseUser, AbstractUser, BaseUserManager, User, UserManager
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

tenant = contextvars.ContextVar("tenant", default=1)


class Base(AbstractBaseUser):
    email = models.EmailField(unique=True)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()

    class Meta:
        abstract = True


class UuidUser(Base):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    is_active = models.BooleanField(default=True)


class TextUser(Base):
    id = models.CharField(max_length=20, primary_key=True)


class BigUser(Base):
    pass


class SmallUser(Base):
    id = models.SmallAutoField(primary_key=True)


class KeyUser(Base):
    number = models.AutoField(primary_key=True)


class QuotedUser(Base):
    class Meta:
        db_table = '"core"."users"'


class Present(UserManager):
    def get_queryset(self):
        return super().get_queryset().select_related("company").filter(deleted=False, company__name__startswith="100%")


class Company(models.Model):
    name = models.CharField(max_length=20)


class PresentUser(Base):
    deleted = models.BooleanField(default=False)
    company = models.ForeignKey(Company, models.CASCADE)
    objects = Present()

    class Meta:
        ordering = ["-email"]


class Parent(AbstractUser):
    pass


class ChildUser(Parent):
    nickname = models.CharField(max_length=20)


class Valid(UserManager):
    def get_queryset(self):
        return super().get_queryset().filter(until__gt=timezone.now())


class TimedUser(Base):
    until = models.DateTimeField()
    objects = Valid()


class ValidInDatabase(UserManager):
    def get_queryset(self):
        return super().get_queryset().filter(until__gt=Now())


class DatabaseTimedUser(Base):
    until = models.DateTimeField()
    objects = ValidInDatabase()


class OfTenant(UserManager):
    def get_queryset(self):
        return super().get_queryset().filter(tenant=tenant.get())


class TenantUser(Base):
    tenant = models.IntegerField()
    objects = OfTenant()


class FoldingManager(BaseUserManager):
    def get_by_natural_key(self, username):
        return self.get(email__iexact=username)


class FoldingUser(Base):
    objects = FoldingManager()


class Lowered(models.CharField):
    def get_prep_value(self, value):
        return super().get_prep_value(value).lower()


class LoweredUser(Base):
    id = Lowered(max_length=20, primary_key=True)


class ComputedUser(Base):
    @property
    def is_active(self):
        return not self.email.endswith("@old.example")


class NoUser(UserManager):
    def get_queryset(self):
        return super().get_queryset().none()


class HiddenUser(Base):
    objects = NoUser()


class OfCurrentTenant(UserManager):
    def get_queryset(self):
        return super().get_queryset().filter(tenant=self.current())

    def current(self):
        from . import tenants

        return tenants.current()

    def unrelated(self):
        return tenant.get()


class CurrentTenantUser(Base):
    tenant = models.IntegerField()
    objects = OfCurrentTenant()


class Elsewhere(UserManager):
    def get_queryset(self):
        return super().get_queryset().using("people")


class ElsewhereUser(Base):
    objects = Elsewhere()
