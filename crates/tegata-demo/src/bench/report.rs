//! The bench's table, and the same as JSON. All figures are whole numbers; times in nanoseconds.

use std::fmt;

use serde_json::{Map, Value, json};

/// A bench's result.
#[derive(Debug)]
pub struct Report {
    /// Which bench.
    pub bench: &'static str,
    /// What the limit is made of: name and nanoseconds.
    pub limit: Vec<(&'static str, u64)>,
    /// What was reached, in each scenario.
    pub flows: Vec<Flow>,
    /// What else is to be known.
    pub facts: Vec<(&'static str, Figure)>,
}

/// What was reached in one scenario.
#[derive(Debug)]
pub struct Flow {
    /// Which.
    pub name: &'static str,
    /// The CPU time of one, in nanoseconds, that the limit is compared with.
    pub cpu: u64,
    /// Other figures.
    pub figures: Vec<(&'static str, Figure)>,
}

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Nanoseconds.
    Nanos(u64),
    /// So many in a second.
    PerSecond(u64),
    /// Thousandths.
    Permille(u64),
    /// KiB.
    Kibibytes(u64),
    /// A count.
    Count(u64),
}

impl Figure {
    const fn value(self) -> u64 {
        match self {
            Self::Nanos(n)
            | Self::PerSecond(n)
            | Self::Permille(n)
            | Self::Kibibytes(n)
            | Self::Count(n) => n,
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Nanos(_) => "nanos",
            Self::PerSecond(_) => "per_second",
            Self::Permille(_) => "permille",
            Self::Kibibytes(_) => "kibibytes",
            Self::Count(_) => "count",
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nanos(n) if n >= 1_000_000 => {
                write!(f, "{}.{:02} ms", n / 1_000_000, n / 10_000 % 100)
            }
            Self::Nanos(n) => write!(f, "{}.{} µs", n / 1000, n / 100 % 10),
            Self::PerSecond(n) => write!(f, "{n} /s"),
            Self::Permille(n) => write!(f, "{}.{:03}", n / 1000, n % 1000),
            Self::Kibibytes(n) => write!(f, "{}.{} MiB", n / 1024, n % 1024 * 10 / 1024),
            Self::Count(n) => write!(f, "{n}"),
        }
    }
}

impl Report {
    /// The limit: the sum of its parts.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.iter().map(|(_, nanos)| nanos).sum()
    }

    /// Limit ÷ flow, in thousandths.
    #[must_use]
    pub fn ratio(&self, flow: &Flow) -> u64 {
        self.limit()
            .saturating_mul(1000)
            .checked_div(flow.cpu)
            .unwrap_or_default()
    }

    /// Prints it, as a table or as one JSON object.
    pub fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json());
        } else {
            print!("{self}");
        }
    }

    fn json(&self) -> Value {
        let parts = self
            .limit
            .iter()
            .map(|(name, nanos)| json!({ "name": name, "nanos": nanos }));
        let flows = self.flows.iter().map(|flow| {
            let mut object = figures(&flow.figures);
            object.insert("name".to_owned(), json!(flow.name));
            object.insert("cpu_nanos".to_owned(), json!(flow.cpu));
            object.insert("ratio_permille".to_owned(), json!(self.ratio(flow)));
            Value::Object(object)
        });
        let limit = json!({ "nanos": self.limit(), "parts": parts.collect::<Vec<_>>() });
        json!({ "bench": self.bench, "limit": limit, "flows": flows.collect::<Vec<_>>(),
            "facts": figures(&self.facts) })
    }
}

/// `{"payments_per_second": 1, …}`.
fn figures(figures: &[(&'static str, Figure)]) -> Map<String, Value> {
    let named = figures.iter().map(|(name, figure)| {
        let words = name.split(|c: char| !c.is_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        let name = format!("{}_{}", words.join("_"), figure.unit());
        (name, json!(figure.value()))
    });
    named.collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, figure: Figure| {
            writeln!(f, "  {name:<44} {:>14}", figure.to_string())
        };
        writeln!(f, "{}: the limit's parts, one thread, CPU", self.bench)?;
        for (name, nanos) in &self.limit {
            line(f, name, Figure::Nanos(*nanos))?;
        }
        line(f, "= limit", Figure::Nanos(self.limit()))?;
        for flow in &self.flows {
            writeln!(f, "{}: {}", self.bench, flow.name)?;
            line(f, "CPU of one", Figure::Nanos(flow.cpu))?;
            for (name, figure) in &flow.figures {
                line(f, name, *figure)?;
            }
            line(
                f,
                "= ratio, limit ÷ CPU",
                Figure::Permille(self.ratio(flow)),
            )?;
        }
        for (name, figure) in &self.facts {
            line(f, name, *figure)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_limit_over_the_flow_in_table_and_json() {
        let flow = Flow {
            name: "distinct shops",
            cpu: 400,
            figures: vec![("payments", Figure::PerSecond(7))],
        };
        let report = Report {
            bench: "payment",
            limit: vec![("open", 70), ("verify", 30)],
            flows: vec![flow],
            facts: vec![("in flight, at most", Figure::Count(64))],
        };
        assert_eq!(report.json()["flows"][0]["ratio_permille"], 250);
        assert_eq!(report.json()["flows"][0]["payments_per_second"], 7);
        assert_eq!(report.json()["facts"]["in_flight_at_most_count"], 64);
        let table = report.to_string();
        assert!(table.contains("0.250") && table.contains("7 /s"), "{table}");
    }

    #[test]
    fn figures_are_shown_in_units_that_people_read() {
        let shown = |figure: Figure| figure.to_string();
        assert_eq!(shown(Figure::Nanos(12_345)), "12.3 µs");
        assert_eq!(shown(Figure::Nanos(12_345_678)), "12.34 ms");
        assert_eq!(shown(Figure::Kibibytes(1536)), "1.5 MiB");
        assert_eq!(shown(Figure::Permille(1042)), "1.042");
    }
}
