//! What a run found, against what it was to find: the table, and `report.json`.

use std::fmt::Write;

use serde_json::Value;
use serde_json::json;

/// How a subject came to be weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was loaded while the driver ran.
    Load,
    /// It was loaded before the driver started.
    Baseline,
    /// The running driver was asked about the file.
    Check,
    /// It was to be loaded, and enforcement kept it from being mapped.
    Refusal,
}

impl How {
    /// The name of the events that come of it.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Load => "image-load",
            Self::Baseline => "baseline",
            Self::Check => "check",
            Self::Refusal => "image-refused",
        }
    }
}

/// One weighing and its outcome.
#[derive(Clone, Debug)]
pub struct Row {
    /// The path in the lab's Windows.
    pub path: String,
    /// The service, where there is one.
    pub service: String,
    /// What makes this row worth having.
    pub story: &'static str,
    /// How it was weighed.
    pub how: How,
    /// Decision, reason and rule that were to come out.
    pub expected: Verdict,
    /// Those that came out; or what went wrong instead.
    pub actual: Result<Verdict, String>,
    /// The generation that decided.
    pub generation: u64,
    /// Whether the image was to be loaded.
    pub expected_loaded: bool,
    /// Whether it was.
    pub loaded: bool,
}

/// The part of a verdict record that a run arranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// `allow` or `would-refuse`.
    pub decision: String,
    /// The reason's name.
    pub reason: String,
    /// The deciding rule's id, empty where no rule decided.
    pub rule: String,
}

impl Verdict {
    /// A verdict made of its parts.
    pub fn new(decision: &str, reason: &str, rule: &str) -> Self {
        Self {
            decision: decision.to_owned(),
            reason: reason.to_owned(),
            rule: rule.to_owned(),
        }
    }

    /// The verdict of a verdict record.
    pub fn of(record: &Value) -> Self {
        let policies = record["policies"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let rule = policies.iter().find_map(|policy| policy["rule"]["id"].as_str());
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        Self {
            decision: text(&record["decision"]),
            reason: text(&record["reason"]["name"]),
            rule: rule.unwrap_or_default().to_owned(),
        }
    }

    fn text(&self) -> String {
        if self.rule.is_empty() {
            format!("{} ({})", self.decision, self.reason)
        } else {
            format!("{} ({}, {})", self.decision, self.reason, self.rule)
        }
    }
}

impl Row {
    /// Whether the run found what it was to find.
    pub fn passed(&self) -> bool {
        self.loaded == self.expected_loaded
            && self.actual.as_ref().is_ok_and(|actual| *actual == self.expected)
    }

    /// The entry in `report.json`.
    pub fn json(&self) -> Value {
        let actual = self.actual.clone().unwrap_or_default();
        json!({
            "path": self.path,
            "service": self.service,
            "story": self.story,
            "how": self.how.event(),
            "generation": self.generation,
            "expected": self.expected.decision,
            "expected_reason": self.expected.reason,
            "verdict": actual.decision,
            "reason": actual.reason,
            "rule_id": actual.rule,
            "expected_loaded": self.expected_loaded,
            "loaded": self.loaded,
            "problem": self.actual.as_ref().err(),
            "passed": self.passed(),
        })
    }
}

/// The rows as a table for people.
pub fn table(rows: &[Row]) -> String {
    let mut cells = vec![
        [
            "",
            "image",
            "weighed by",
            "gen",
            "expected",
            "actual",
            "loaded",
            "what it shows",
        ]
        .map(str::to_owned),
    ];
    for row in rows {
        let actual = match &row.actual {
            Ok(verdict) => verdict.text(),
            Err(problem) => problem.lines().next().unwrap_or_default().to_owned(),
        };
        cells.push([
            if row.passed() { "ok" } else { "DIFFERS" }.to_owned(),
            row.path.rsplit('\\').next().unwrap_or_default().to_owned(),
            row.how.event().to_owned(),
            row.generation.to_string(),
            row.expected.text(),
            actual,
            if row.loaded { "yes" } else { "no" }.to_owned(),
            row.story.to_owned(),
        ]);
    }
    let widths: Vec<usize> = (0..8)
        .map(|column| {
            cells
                .iter()
                .map(|line| line.get(column).map_or(0, |cell| cell.chars().count()))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &cells {
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{cell:<width$}  ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::How;
    use super::Row;
    use super::Verdict;

    fn row(actual: Result<Verdict, String>) -> Row {
        Row {
            path: r"C:\windows\a.sys".to_owned(),
            service: "a".to_owned(),
            story: "a story",
            how: How::Load,
            expected: Verdict::new("allow", "allowed", "ID_ALLOW_A"),
            actual,
            generation: 1,
            expected_loaded: true,
            loaded: true,
        }
    }

    #[test]
    fn a_row_passes_only_when_decision_reason_and_rule_all_are_as_expected() {
        assert!(row(Ok(Verdict::new("allow", "allowed", "ID_ALLOW_A"))).passed());
        assert!(!row(Ok(Verdict::new("allow", "allowed", "ID_ALLOW_B"))).passed());
        assert!(!row(Ok(Verdict::new("would-refuse", "allowed", "ID_ALLOW_A"))).passed());
        assert!(!row(Err("no event came".to_owned())).passed());
        let kept_out = Row {
            loaded: false,
            ..row(Ok(Verdict::new("allow", "allowed", "ID_ALLOW_A")))
        };
        assert!(!kept_out.passed(), "it was to be loaded");
    }

    #[test]
    fn the_table_shows_a_difference() {
        let text = super::table(&[row(Err("no event came".to_owned()))]);
        assert!(
            text.contains("DIFFERS") && text.contains("no event came"),
            "{text}"
        );
    }
}
