//! How results and talk reach the user: results on standard output as JSON lines or tables, talk on standard error.
//!
//! Names in files and documents are other people's words. Whatever goes out for people passes through [`shown`], which escapes all that
//! would steer a terminal or not be seen, and only then adds colour; records are ASCII.

mod printable;

pub use printable::printable;
pub use printable::printable_lines;
pub use printable::printable_xml;

use self::printable::ascii_json;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::io::BufWriter;
use std::io::IsTerminal;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use anstream::AutoStream;
use comfy_table::CellAlignment;
use comfy_table::ColumnConstraint;
use comfy_table::presets;
use owo_colors::OwoColorize;
use owo_colors::Style;
use serde::Serialize;

use crate::args::Common;
use crate::error::Error;

/// Where results and talk go.
pub struct Output {
    json: bool,
    quiet: bool,
    /// Colour sequences are written throughout and taken out again on the way to anything but a terminal.
    results: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
    progress: Progress,
}

/// How far a long command has come, in one line of standard error that is written over and over.
#[derive(Debug, Default)]
struct Progress {
    /// Whether somebody watches.
    wanted: bool,
    /// When the line was written last; `None` while there is none.
    shown: Option<Instant>,
}

impl Progress {
    /// How often the line is written anew.
    const EVERY: Duration = Duration::from_millis(100);
    /// Back to the start of the line, and clear it.
    const CLEAR: &str = "\r\x1b[2K";
}

impl Output {
    /// Standard output and standard error, in colour where they are terminals and NO_COLOR does not say otherwise.
    pub fn standard(common: Common) -> Self {
        Self {
            json: common.json,
            quiet: common.quiet,
            results: Box::new(BufWriter::new(AutoStream::auto(io::stdout()))),
            talk: Box::new(AutoStream::auto(io::stderr())),
            progress: Progress {
                // Where records go to the same terminal they show well enough how things go on.
                wanted: !common.quiet
                    && io::stderr().is_terminal()
                    && !(common.json && io::stdout().is_terminal()),
                shown: None,
            },
        }
    }

    /// Output into the hands of a test.
    #[cfg(test)]
    pub fn captured(json: bool, results: Box<dyn Write + Send>) -> Self {
        Self {
            json,
            quiet: true,
            results: Box::new(anstream::StripStream::new(results)),
            talk: Box::new(io::sink()),
            progress: Progress::default(),
        }
    }

    /// Whether results are wanted as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One record as one line of JSON, all of it ASCII.
    pub fn record(&mut self, record: &impl Serialize) -> Result<(), Error> {
        let line = serde_json::to_string(record).map_err(io::Error::from)?;
        Ok(writeln!(self.results, "{}", ascii_json(&line))?)
    }

    /// One line for people.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Error> {
        self.tinted(Tint::Plain, line)
    }

    /// One line for people, in colour.
    pub fn tinted(&mut self, tint: Tint, line: impl fmt::Display) -> Result<(), Error> {
        let line = shown(&line, tint.colours());
        Ok(writeln!(self.results, "{line}")?)
    }

    /// A table for people.
    pub fn table(&mut self, table: &Table) -> Result<(), Error> {
        for (line, style) in table.lines() {
            writeln!(self.results, "{}", shown(&line, style))?;
        }
        Ok(())
    }

    /// Bytes as they are; neither JSON nor for people.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.flush()?;
        let mut raw = io::stdout().lock();
        raw.write_all(bytes)?;
        Ok(raw.flush()?)
    }

    /// Makes what was written so far visible.
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.results.flush()?)
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.flush()
    }

    /// How many files are done, for whoever watches.
    pub fn progress(&mut self, done: usize) {
        let due = self
            .progress
            .shown
            .is_none_or(|shown| shown.elapsed() >= Progress::EVERY);
        if self.progress.wanted && due {
            // Nobody can be told that talking failed.
            let _ = write!(self.talk, "{}gatehouse: {done} files", Progress::CLEAR);
            let _ = self.talk.flush();
            self.progress.shown = Some(Instant::now());
        }
    }

    /// Takes the line of progress away.
    pub fn progress_done(&mut self) {
        if self.progress.shown.take().is_some() {
            let _ = write!(self.talk, "{}", Progress::CLEAR);
            let _ = self.talk.flush();
        }
    }

    /// Something the user may like to know.
    pub fn note(&mut self, note: impl fmt::Display) {
        if !self.quiet {
            self.say(note);
        }
    }

    /// Something that the user must know, although what was asked is done.
    pub fn warning(&mut self, warning: impl fmt::Display) {
        self.say_after("warning:", Tint::Warn, &warning);
    }

    /// Something that went wrong while the rest goes on.
    pub fn failure(&mut self, failure: impl fmt::Display) {
        self.say_after("error:", Tint::Bad, &failure);
    }

    /// Why the command failed.
    pub fn error(&mut self, error: &Error) {
        self.failure(error);
    }

    fn say(&mut self, words: impl fmt::Display) {
        self.progress_done();
        let words = shown(&words, Style::new());
        // Nobody can be told that talking failed.
        let _ = writeln!(self.talk, "gatehouse: {words}");
    }

    fn say_after(&mut self, kind: &str, tint: Tint, words: &dyn fmt::Display) {
        self.progress_done();
        let (kind, words) = (shown(&kind, tint.colours()), shown(words, Style::new()));
        let _ = writeln!(self.talk, "gatehouse: {kind} {words}");
    }
}

/// Words as they go out: nothing in them steers the terminal but the style that they are given here.
fn shown(words: &dyn fmt::Display, style: Style) -> String {
    let words = words.to_string();
    printable(&words).style(style).to_string()
}

/// Says what the command line parser has to say. It quotes words of the command line, which may be names of files.
pub fn usage(told: &clap::Error) {
    let plain = told.render().to_string();
    let mut said = plain.clone();
    for word in std::env::args_os() {
        let word = word.to_string_lossy();
        let value = word.split_once('=').map_or("", |(_, value)| value);
        for quoted in [&*word, value] {
            if printable(quoted) != quoted {
                said = said.replace(quoted, &printable(quoted));
            }
        }
    }
    let said = printable_lines(&said);
    // Nothing can be done when even that cannot be shown.
    if said == plain {
        let _ = told.print();
    } else {
        let _ = io::stderr().write_all(said.as_bytes());
    }
}

/// What a colour says. Never the only bearer of the news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tint {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Refused, or failed.
    Bad,
}

impl Tint {
    /// The style of text of this tint.
    pub fn colours(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => Style::new().green(),
            Self::Warn => Style::new().yellow(),
            Self::Bad => Style::new().red(),
        }
    }
}

/// Rows and columns. As wide as what it holds, one line a row, so that ordinary tools can work on it.
pub struct Table {
    cells: comfy_table::Table,
    headed: bool,
    tints: Vec<Tint>,
}

impl Table {
    /// A table with a line of column names.
    pub fn headed(names: &[&str]) -> Self {
        let mut table = Self::bare();
        table.cells.set_header(names.iter().copied());
        table.headed = true;
        table
    }

    /// A table without column names, for names and values.
    pub fn bare() -> Self {
        let mut cells = comfy_table::Table::new();
        cells.load_style(presets::NOTHING);
        Self {
            cells,
            headed: false,
            tints: Vec::new(),
        }
    }

    /// Adds a row. What is not printable, as file and rule names may hold, is escaped here already, for the width of the columns.
    pub fn row<'a>(&mut self, tint: Tint, cells: impl IntoIterator<Item = Cow<'a, str>>) {
        self.cells
            .add_row(cells.into_iter().map(|cell| printable(&cell).into_owned()));
        self.tints.push(tint);
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.tints.is_empty()
    }

    /// Aligns a column of numbers to the right.
    pub fn align_right(&mut self, column: usize) {
        if let Some(column) = self.cells.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

impl Table {
    /// The lines, each with its style.
    fn lines(&self) -> Vec<(String, Style)> {
        let text = self.cells.to_string();
        let styles = self.tints.iter().map(|tint| tint.colours());
        let names = self.headed.then(|| Style::new().bold());
        text.lines()
            // Cells are padded by one space on either side.
            .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_ascii_end().to_owned())
            .zip(names.into_iter().chain(styles))
            .collect()
    }
}

/// Bytes in hexadecimal, lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(
        String::with_capacity(bytes.len().saturating_mul(2)),
        |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(nibble.into(), 16));
            }
            text
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_line_a_row_under_its_names() {
        let mut table = Table::headed(&["NAME", "SIZE"]);
        table.row(Tint::Plain, ["a".into(), "1".into()]);
        table.row(Tint::Bad, ["longer\nname".into(), "20".into()]);
        table.align_right(1);
        let lines: Vec<String> = table.lines().into_iter().map(|(line, _)| line).collect();
        assert_eq!(
            lines,
            [
                "NAME             SIZE",
                "a                   1",
                r"longer\u{a}name    20"
            ]
        );
    }

    #[test]
    fn hex_is_lower_case() {
        assert_eq!(hex(&[0x00, 0xab, 0x1f]), "00ab1f");
    }
}
