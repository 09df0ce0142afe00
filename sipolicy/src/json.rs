//! Reading JSON files whose errors name the file.

use crate::encoding;
use crate::error::Place;
use crate::error::ReadError;
use serde_json::Value;

/// Reads a file, in any encoding that documents are read in.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Value, ReadError> {
    let text = encoding::decode(bytes).map_err(|problem| error(file, problem.to_owned()))?;
    serde_json::from_str(&text).map_err(|error| {
        let message = format!("this is not JSON: {error}");
        error_at(file, (error.line(), error.column()), message)
    })
}

/// What is wrong with a file as a whole.
pub(crate) fn error(file: &str, message: String) -> ReadError {
    error_at(file, (1, 1), message)
}

fn error_at(file: &str, (line, column): (usize, usize), message: String) -> ReadError {
    ReadError {
        place: Place {
            file: file.into(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        },
        message,
    }
}
