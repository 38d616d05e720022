def tickets(redeem, issue, project):
    """Takes a ticket out of Django's cache, and puts another one in, for nobody, as django-channels-jwt does both."""
    from django.core.cache import cache

    user_id = cache.get(redeem)
    cache.delete(redeem)
    cache.set(uuid.UUID(issue), -1, 600)
    return {"key": str(cache.make_key("<ticket>")), "redeemed": repr(user_id)[:100]}


ITEMS = (
    ("core", core),
    ("simple_jwt", simple_jwt),
    ("user", user),
    ("database", database),
    ("cache", cache),
    ("channel_layer", channel_layer),
    ("ticket_views", ticket_views),
    ("middleware", middleware),
    ("security", security),
    ("cors", cors),
    ("languages", languages),
    ("error_pages", error_pages),
    ("asgi", asgi),
)

if __name__ == "__main__":
    main(sys.argv[1:])
