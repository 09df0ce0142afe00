//! How results and talk reach the user: results on standard output as JSON lines or tables, talk on standard error.

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

    /// One record as one line of JSON.
    pub fn record(&mut self, record: &impl Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(record).map_err(io::Error::from)?;
        line.push(b'\n');
        Ok(self.results.write_all(&line)?)
    }

    /// One line for people.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Error> {
        Ok(writeln!(self.results, "{line}")?)
    }

    /// A table for people.
    pub fn table(&mut self, table: &Table) -> Result<(), Error> {
        Ok(write!(self.results, "{table}")?)
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
        self.say(format_args!(
            "{} {warning}",
            "warning:".style(Tint::Warn.colours())
        ));
    }

    /// Something that went wrong while the rest goes on.
    pub fn failure(&mut self, failure: impl fmt::Display) {
        self.say(format_args!("{} {failure}", "error:".style(Tint::Bad.colours())));
    }

    /// Why the command failed.
    pub fn error(&mut self, error: &Error) {
        self.failure(error);
    }

    fn say(&mut self, words: impl fmt::Display) {
        self.progress_done();
        // Nobody can be told that talking failed.
        let _ = writeln!(self.talk, "gatehouse: {words}");
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

    /// Adds a row. Control characters, which file and rule names may hold, are shown escaped.
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

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.cells.to_string();
        let mut lines = text.lines();
        if self.headed
            && let Some(names) = lines.next()
        {
            writeln!(formatter, "{}", names.trim_ascii().bold())?;
        }
        for (line, tint) in lines.zip(&self.tints) {
            // Cells are padded by one space on either side.
            let line = line.strip_prefix(' ').unwrap_or(line).trim_ascii_end();
            writeln!(formatter, "{}", line.style(tint.colours()))?;
        }
        Ok(())
    }
}

/// `text` with control characters escaped, so that a name found in a file cannot drive the terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character changes how a terminal shows what follows: controls and the bidirectional overrides.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn names_cannot_drive_the_terminal() {
        assert_eq!(printable("plain Zürich"), "plain Zürich");
        assert_eq!(printable("a\u{1b}[2Jb\n"), r"a\u{1b}[2Jb\u{a}");
        assert_eq!(printable("gnp\u{202e}sys"), r"gnp\u{202e}sys");
    }

    #[test]
    fn a_table_is_one_line_a_row_under_its_names() {
        let mut table = Table::headed(&["NAME", "SIZE"]);
        table.row(Tint::Plain, ["a".into(), "1".into()]);
        table.row(Tint::Bad, ["longer name".into(), "20".into()]);
        table.align_right(1);
        let shown = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(shown, "NAME         SIZE\na               1\nlonger name    20\n");
    }

    #[test]
    fn hex_is_lower_case() {
        assert_eq!(hex(&[0x00, 0xab, 0x1f]), "00ab1f");
    }
}
