//! One measured figure, its goal, and how both are shown.

use serde_json::{Map, Value, json};

/// What was measured, against what, and whether it is as promised.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Its name.
    pub(crate) bench: &'static str,
    /// What it is counted in.
    pub(crate) unit: &'static str,
    /// The median of ours.
    pub(crate) ours: f64,
    /// The medians of what it was measured beside.
    pub(crate) against: Vec<(&'static str, f64)>,
    /// What it shall be.
    pub(crate) goal: Goal,
    /// How often it was measured.
    pub(crate) runs: usize,
}

/// What is promised of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// So much and no more.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

impl Goal {
    fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::AtLeast(value) => value,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::AtMost(_) => "<=",
            Self::AtLeast(_) => ">=",
        }
    }
}

impl Figure {
    /// Is it as promised?
    pub(crate) fn met(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.ours <= most,
            Goal::AtLeast(least) => self.ours >= least,
        }
    }

    /// Ours over the first that it was measured beside.
    fn ratio(&self) -> Option<f64> {
        self.against.first().filter(|(_, value)| *value > 0.0).map(|(_, value)| self.ours / value)
    }

    /// One of those that it was measured beside, with ours as so many times it.
    fn beside(&self, name: &str, value: f64) -> String {
        match value {
            0.0 => format!("{name} {value:.3}"),
            _ => format!("{name} {value:.3} ({:.2} x)", self.ours / value),
        }
    }

    /// One line.
    pub(crate) fn json(&self) -> Value {
        let against: Map<String, Value> = self
            .against
            .iter()
            .map(|(name, value)| ((*name).to_owned(), rounded(*value)))
            .collect();
        json!({
            "bench": self.bench,
            "unit": self.unit,
            "ours": rounded(self.ours),
            "against": against,
            "ratio": self.ratio().map(rounded),
            "goal": rounded(self.goal.value()),
            "met": self.met(),
        })
    }
}

/// The middle of several measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// All of them, for people.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut lines = vec![format!(
        "{:<20} {:>9} {:<8} {:>12}  {:<4} {:>4}  {}",
        "FIGURE", "OURS", "UNIT", "GOAL", "MET", "RUNS", "AGAINST"
    )];
    for figure in figures {
        let against: Vec<String> =
            figure.against.iter().map(|(name, value)| figure.beside(name, *value)).collect();
        lines.push(format!(
            "{:<20} {:>9.3} {:<8} {:>2} {:>9.3}  {:<4} {:>4}  {}",
            figure.bench,
            figure.ours,
            figure.unit,
            figure.goal.sign(),
            figure.goal.value(),
            if figure.met() { "yes" } else { "NO" },
            figure.runs,
            against.join(", ")
        ));
    }
    lines.join("\n")
}

fn rounded(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_its_two_middles() {
        assert!((median(vec![4.0, 1.0, 3.0, 100.0]) - 3.5).abs() < 1e-9);
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_goal_is_met_from_its_own_side() {
        let figure =
            |goal| Figure { bench: "x", unit: "s", ours: 2.0, against: Vec::new(), goal, runs: 1 };
        assert!(figure(Goal::AtMost(2.0)).met() && figure(Goal::AtLeast(2.0)).met());
        assert!(!figure(Goal::AtMost(1.9)).met() && !figure(Goal::AtLeast(2.1)).met());
    }

    #[test]
    fn a_line_of_json_has_the_promised_members() {
        let figure = Figure {
            bench: "visit",
            unit: "ms",
            ours: 1.5,
            against: vec![("direct", 0.5)],
            goal: Goal::AtMost(2.5),
            runs: 3,
        };
        let expected = r#"{"against":{"direct":0.5},"bench":"visit","goal":2.5,"met":true,"ours":1.5,"ratio":3.0,"unit":"ms"}"#;
        assert_eq!(figure.json().to_string(), expected);
    }
}
