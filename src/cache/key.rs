//! The key under which Django keeps an entry.

use super::KeyPattern;

impl KeyPattern {
    /// The bytes of the key of `key`: `default_key_func` in `django/core/cache/backends/base.py`,
    /// `"%s:%s:%s" % (key_prefix, version, key)`, or what the project's `KEY_FUNCTION` does.
    ///
    /// Text that stands in for a placeholder is not looked at again: a prefix that reads `{key}` stays as it is.
    pub(crate) fn make(&self, key: &str) -> String {
        let mut made = String::with_capacity(self.pattern.len() + self.prefix.len() + key.len());
        let mut rest = self.pattern.as_str();
        while let Some(start) = rest.find('{') {
            made.push_str(&rest[..start]);
            rest = &rest[start..];
            if let Some(after) = rest.strip_prefix("{prefix}") {
                made.push_str(&self.prefix);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("{version}") {
                made.push_str(&self.version);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("{key}") {
                made.push_str(key);
                rest = after;
            } else {
                made.push('{');
                rest = &rest[1..];
            }
        }
        made.push_str(rest);
        made
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::KeyPattern;

    #[test]
    fn the_default_is_prefix_version_and_key() {
        let key = KeyPattern::default().make("0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b");
        assert_eq!(key, ":1:0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b");
    }

    #[test]
    fn a_key_function_may_leave_parts_out_and_add_others() {
        let pattern = KeyPattern {
            pattern: "{{site}}/{key}@{version}".to_owned(),
            prefix: "x".to_owned(),
            version: "7".to_owned(),
        };
        assert_eq!(pattern.make("k"), "{{site}}/k@7");
    }

    #[test]
    fn a_prefix_with_braces_is_taken_as_it_is() {
        let pattern = KeyPattern { prefix: "{key}{version}ü".to_owned(), ..KeyPattern::default() };
        assert_eq!(pattern.make("k"), "{key}{version}ü:1:k");
    }

    proptest! {
        #[test]
        fn the_default_pattern_is_pythons_format(prefix: String, version: String, key: String) {
            let pattern = KeyPattern { prefix: prefix.clone(), version: version.clone(), ..KeyPattern::default() };
            prop_assert_eq!(pattern.make(&key), format!("{prefix}:{version}:{key}"));
        }

        #[test]
        fn no_pattern_makes_it_panic(pattern: String, prefix: String, key: String) {
            let _ = KeyPattern { pattern, prefix, version: String::new() }.make(&key);
        }
    }
}
