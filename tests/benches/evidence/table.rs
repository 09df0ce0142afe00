//! The table that is printed: ratios, and the bars they must pass.

use std::process::ExitCode;

/// The ratios, and whether all bars were passed.
#[derive(Default)]
pub struct Table {
    lines: Vec<[String; 6]>,
    missed: bool,
}

impl Table {
    pub fn row(&mut self, what: &str, ours: f64, peer: &str, theirs: f64, bar: Option<f64>) {
        let ratio = ours / theirs;
        self.line(
            [
                what,
                &format!("{ours:.0} MB/s"),
                peer,
                &format!("{theirs:.0} MB/s"),
            ],
            &format!("{ratio:.2}"),
            bar.map(|bar| (format!("at least {bar}"), ratio >= bar)),
        );
    }

    pub fn line(&mut self, facts: [&str; 4], ratio: &str, bar: Option<(String, bool)>) {
        let verdict = match bar {
            None => String::new(),
            Some((bar, true)) => format!("{bar}: passed"),
            Some((bar, false)) => {
                self.missed = true;
                format!("{bar}: MISSED")
            }
        };
        let [what, ours, peer, theirs] = facts.map(str::to_owned);
        self.lines
            .push([what, ours, peer, theirs, ratio.to_owned(), verdict]);
    }

    pub fn finish(&self) -> ExitCode {
        let width = |column: usize| {
            self.lines
                .iter()
                .map(|line| line[column].len())
                .max()
                .unwrap_or(0)
        };
        let [one, two, three, four, five] = [0, 1, 2, 3, 4].map(width);
        for [what, ours, peer, theirs, ratio, verdict] in &self.lines {
            println!("{what:one$}  {ours:>two$}  {peer:three$}  {theirs:>four$}  {ratio:>five$}  {verdict}");
        }
        ExitCode::from(u8::from(self.missed))
    }
}
