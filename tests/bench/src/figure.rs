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
    /// The most that it may be.
    pub(crate) goal: f64,
    /// How often it was measured.
    pub(crate) runs: usize,
}

impl Figure {
    /// Is it as promised?
    pub(crate) fn met(&self) -> bool {
        self.ours <= self.goal
    }

    /// Ours over the first that it was measured beside.
    fn ratio(&self) -> Option<f64> {
        self.against.first().filter(|(_, value)| *value > 0.0).map(|(_, value)| self.ours / value)
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
            "goal": rounded(self.goal),
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
        "{:<18} {:>9} {:<8} {:>9}  {:<4} {:>4}  {}",
        "FIGURE", "OURS", "UNIT", "GOAL", "MET", "RUNS", "AGAINST"
    )];
    for figure in figures {
        let against: Vec<String> =
            figure.against.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        lines.push(format!(
            "{:<18} {:>9.3} {:<8} {:>9.3}  {:<4} {:>4}  {}",
            figure.bench,
            figure.ours,
            figure.unit,
            figure.goal,
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
    fn a_line_of_json_has_the_promised_members() {
        let figure = Figure {
            bench: "visit",
            unit: "ms",
            ours: 1.5,
            against: vec![("direct", 0.5)],
            goal: 2.5,
            runs: 3,
        };
        let expected = r#"{"against":{"direct":0.5},"bench":"visit","goal":2.5,"met":true,"ours":1.5,"ratio":3.0,"unit":"ms"}"#;
        assert_eq!(figure.json().to_string(), expected);
    }
}
