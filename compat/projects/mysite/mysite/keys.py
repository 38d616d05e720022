def make_key(key, key_prefix, version):
    """A KEY_FUNCTION of a project's own."""
    return f"{key_prefix}/v{version}/{key}"
