//! The two text formats that Prometheus reads.
//!
//! [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/) and the
//! [older format](https://prometheus.io/docs/instrumenting/exposition_formats/), which tools and older servers ask for.
//! Names are those of `OpenMetrics`: a counter's has no `_total` here.

use std::fmt::{self, Write as _};

/// Which of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    Text,
}

impl Format {
    /// The one that an `Accept` header asks for. Prometheus itself names both.
    pub(crate) fn of(accept: Option<&str>) -> Self {
        let wants = |media: &str| {
            let mut parts = media.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            is_it && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0"))
        };
        if accept.is_some_and(|accept| accept.split(',').any(wants)) { Self::OpenMetrics } else { Self::Text }
    }

    /// `Content-Type`.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The answer to one scrape, while it is written: one family of samples after the other.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    format: Format,
}

/// The samples of one name.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    page: &'a mut Page,
    /// Of its samples, with the suffix of their kind.
    name: String,
}

/// Names and values of labels.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A sample's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<bool> for Number {
    fn from(is_so: bool) -> Self {
        Self::Whole(is_so.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            // With a point, as both formats want the bounds of buckets.
            Self::Real(number) => write!(f, "{number:?}"),
        }
    }
}

impl Page {
    pub(super) const fn new(format: Format) -> Self {
        Self { text: String::new(), format }
    }

    /// What only grows. `name` is without `_total`, which its samples have.
    pub(crate) fn counter(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, "_total", "counter", help)
    }

    /// What goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, "", "gauge", help)
    }

    /// Observations by their size.
    pub(crate) fn histogram(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, "", "histogram", help)
    }

    /// Text that changes with the program alone, as labels of a 1. `name` is without `_info`.
    pub(crate) fn info(&mut self, name: &str, help: &str, labels: Labels<'_>) {
        let kind = if self.format == Format::OpenMetrics { "info" } else { "gauge" };
        self.family(name, "_info", kind, help).sample(labels, 1_u64);
    }

    fn family(&mut self, name: &str, suffix: &str, kind: &str, help: &str) -> Family<'_> {
        // OpenMetrics names the family, the older format its samples.
        let named = if self.format == Format::OpenMetrics { name.to_owned() } else { format!("{name}{suffix}") };
        self.write(format_args!("# HELP {named} {}\n# TYPE {named} {kind}\n", Escaped(help)));
        Family { name: format!("{name}{suffix}"), page: self }
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Text takes all that is written to it.
        let _ = self.text.write_fmt(text);
    }
}

impl Family<'_> {
    /// One sample.
    pub(crate) fn sample(&mut self, labels: Labels<'_>, value: impl Into<Number>) {
        self.page.write(format_args!("{}{} {}\n", self.name, Braced(labels, None), value.into()));
    }

    /// A histogram's samples. `buckets`: upper bounds, and how many observations were up to each; `count`: all of them.
    pub(crate) fn distribution(
        &mut self,
        labels: Labels<'_>,
        buckets: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        for (bound, up_to) in buckets {
            let bound = format!("{bound:?}");
            self.page.write(format_args!("{}_bucket{} {up_to}\n", self.name, Braced(labels, Some(&bound))));
        }
        let (name, all, plain) = (&self.name, Braced(labels, Some("+Inf")), Braced(labels, None));
        self.page.write(format_args!(
            "{name}_bucket{all} {count}\n{name}_count{plain} {count}\n{name}_sum{plain} {sum:?}\n"
        ));
    }
}

/// Labels, and the bound of a bucket, in braces.
struct Braced<'a>(Labels<'a>, Option<&'a str>);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = self.1.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in self.0.iter().copied().chain(bound) {
            write!(f, "{separator}{name}=\"{}\"", Escaped(value))?;
            separator = ',';
        }
        if separator == ',' { f.write_char('}') } else { Ok(()) }
    }
}

/// Text as it stands in a label or in a help text.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut page = Page::new(format);
        page.info("x_build", "What it is.", &[("version", "1")]);
        let mut routes = page.counter("x_frames", "Frames.");
        routes.sample(&[("route", "^a\\.\"b\"\n$")], 3_u64);
        routes.sample(&[], 4_usize);
        page.gauge("x_up", "Whether it is up.").sample(&[], true);
        page.histogram("x_seconds", "How long.").distribution(&[("of", "y")], [(0.001, 1), (1.0, 2)], 3, 4.5);
        page.finish()
    }

    #[test]
    fn the_formats_differ_in_the_names_of_families_and_in_the_end() {
        assert_eq!(
            written(Format::OpenMetrics),
            r#"# HELP x_build What it is.
# TYPE x_build info
x_build_info{version="1"} 1
# HELP x_frames Frames.
# TYPE x_frames counter
x_frames_total{route="^a\\.\"b\"\n$"} 3
x_frames_total 4
# HELP x_up Whether it is up.
# TYPE x_up gauge
x_up 1
# HELP x_seconds How long.
# TYPE x_seconds histogram
x_seconds_bucket{of="y",le="0.001"} 1
x_seconds_bucket{of="y",le="1.0"} 2
x_seconds_bucket{of="y",le="+Inf"} 3
x_seconds_count{of="y"} 3
x_seconds_sum{of="y"} 4.5
# EOF
"#
        );
        let text = written(Format::Text);
        assert!(
            text.contains("# TYPE x_frames_total counter\n") && text.contains("# TYPE x_build_info gauge\n"),
            "{text}"
        );
        assert!(!text.contains("EOF"));
    }

    #[test]
    fn accept_chooses_the_format() {
        for (accept, format) in [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain;version=0.0.4"), Format::Text),
            (Some("application/openmetrics-text;q=0, text/plain"), Format::Text),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1",
                ),
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::of(accept), format, "{accept:?}");
        }
    }
}
