//! Many files on their way at the same time: their bytes are read in turns, and their digests computed side by side.
//!
//! For programs that go through folders. The facts are those of [`crate::examine`], by the same code.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::catalog_index::CatalogIndex;
use crate::error::ErrorKind;
use crate::error::ExamineError;
use crate::error::NoMemory;
use crate::examine::Begun;
use crate::examine::Options;
use crate::examine::begin;
use crate::facts::Evidence;
use crate::image_digest::ImagePass;
use crate::image_digest::read_next;
use crate::pe::USUAL_SECTIONS;
use crate::source::Source;
use crate::workspace::FileBuffers;
use crate::workspace::Findings;
use crate::workspace::Tools;
use crate::workspace::Workspace;
use digest::Pending;
use digest::compress_all;
use digest::side_by_side;

/// Bytes of certificate tables and sections that are kept before no more files are taken up.
const TABLES: usize = 4 << 20;

/// Files that are examined side by side, each with a ticket of its caller's by which it is known when it is done.
///
/// ```
/// use evidence::{Batch, Options};
/// let mut batch = Batch::try_new(16).expect("memory");
/// for (name, file) in [("a.sys", &b"MZ"[..]), ("b.txt", b"text")] {
///     let (ticket, error) = batch.add(file, name, &Options::default()).expect_err("no image is done with at once");
///     println!("{ticket}: {error}");
/// }
/// while !batch.is_empty() {
///     batch.advance(None, |ticket, evidence, _| println!("{ticket}: {evidence:?}"));
/// }
/// ```
pub struct Batch<S, T> {
    files: Vec<OnItsWay<S, T>>,
    /// Buffers of files that are done.
    spare: Vec<FileBuffers>,
    tools: Tools,
    most: usize,
}

struct OnItsWay<S, T> {
    source: S,
    ticket: T,
    buffers: FileBuffers,
    begun: Begun,
    pass: ImagePass,
    /// How much of the chunk was read and is still to be fed.
    filled: usize,
}

impl<S: Source, T> Batch<S, T> {
    /// Room for as many files as this processor takes in side by side, and for `most` at most.
    ///
    /// # Errors
    /// [`NoMemory`]; nothing is kept then.
    pub fn try_new(most: usize) -> Result<Self, NoMemory> {
        let most = side_by_side().clamp(1, most.max(1));
        let (mut files, mut spare) = (Vec::new(), Vec::new());
        files.try_reserve_exact(most).map_err(|_| NoMemory)?;
        spare.try_reserve_exact(most).map_err(|_| NoMemory)?;
        Ok(Self {
            files,
            spare,
            tools: Tools::try_new()?,
            most,
        })
    }

    /// Whether there is room for one more file.
    pub fn has_room(&self) -> bool {
        let kept = |buffers: &FileBuffers| {
            let sections = size_of_val(&*buffers.sections);
            buffers.table.len().saturating_add(sections)
        };
        let all: usize = self.files.iter().map(|file| kept(&file.buffers)).sum();
        self.files.len() < self.most && all < TABLES
    }

    /// Whether no file is on its way.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Takes up a file.
    ///
    /// # Errors
    /// The ticket, and why the file is done with at once: as [`crate::examine`].
    pub fn add(&mut self, mut source: S, ticket: T, options: &Options) -> Result<(), (T, ExamineError)> {
        let buffers = match self.spare.pop() {
            Some(buffers) => Ok(buffers),
            None => FileBuffers::try_new(Workspace::DEFAULT_CHUNK),
        };
        let room = self.files.try_reserve(1).map_err(|_| NoMemory);
        let mut buffers = match room.and(buffers) {
            Ok(buffers) => buffers,
            Err(error) => return Err((ticket, ErrorKind::from(error).into())),
        };
        let begun = begin(&mut source, options, &mut buffers);
        let started = begun.map(|begun| {
            let (_, known) = buffers.split();
            let pass = begun.pass(known);
            (begun, pass)
        });
        match started {
            Ok((begun, pass)) => {
                self.files.push(OnItsWay {
                    source,
                    ticket,
                    buffers,
                    begun,
                    pass,
                    filled: 0,
                });
                Ok(())
            }
            Err(error) => {
                self.keep(buffers);
                Err((ticket, error))
            }
        }
    }

    /// Takes every file on by a piece, and calls `done` with those that are through, or that could not be read. With each comes the
    /// size of its certificate table in bytes: what is made of its evidence may be about as large.
    pub fn advance(
        &mut self,
        catalogs: Option<&CatalogIndex<'_>>,
        mut done: impl FnMut(T, Result<Evidence<'_>, ExamineError>, usize),
    ) {
        self.read(&mut done);
        self.compress();
        let mut place = 0_usize;
        while let Some(file) = self.files.get(place) {
            if file.pass.offset() < file.source.size() {
                place = place.saturating_add(1);
                continue;
            }
            let OnItsWay {
                mut source,
                ticket,
                mut buffers,
                begun,
                mut pass,
                ..
            } = self.files.swap_remove(place);
            let table = buffers.table.len();
            let mut findings = Findings::new();
            let (_, known) = buffers.split();
            let computed = pass.finish(known);
            let tools = &mut self.tools;
            let evidence = begun.conclude(&mut source, &computed, known, catalogs, tools, &mut findings);
            done(ticket, evidence, table);
            self.keep(buffers);
        }
    }

    /// Reads the next piece of each file. Those that cannot be read are done.
    fn read(&mut self, done: &mut impl FnMut(T, Result<Evidence<'_>, ExamineError>, usize)) {
        let mut place = 0_usize;
        while let Some(file) = self.files.get_mut(place) {
            match file.read() {
                Ok(()) => place = place.saturating_add(1),
                Err(error) => {
                    let file = self.files.swap_remove(place);
                    done(file.ticket, Err(error.into()), 0);
                    self.keep(file.buffers);
                }
            }
        }
    }

    /// Computes what was read into the digests.
    fn compress(&mut self) {
        let mut pending: Vec<Pending<'_>> = Vec::new();
        // Without memory each is compressed on its own, when it is dropped.
        let _ = pending.try_reserve_exact(self.files.len().saturating_mul(2));
        for update in self.files.iter_mut().flat_map(OnItsWay::feed).flatten() {
            if pending.len() < pending.capacity() {
                pending.push(update);
            }
        }
        compress_all(&mut pending);
    }

    /// Keeps the buffers for the next file, but for what only this one needed.
    fn keep(&mut self, mut buffers: FileBuffers) {
        buffers.table = Vec::new();
        if buffers.sections.capacity() > USUAL_SECTIONS {
            buffers.sections = Vec::new();
        }
        // Buffers that there is no memory to keep are made anew.
        let _ = push(&mut self.spare, buffers);
    }
}

impl<S: Source, T> OnItsWay<S, T> {
    fn read(&mut self) -> Result<(), ErrorKind> {
        self.filled = read_next(&mut self.source, self.pass.offset(), &mut self.buffers.chunk)?.len();
        Ok(())
    }

    fn feed(&mut self) -> [Option<Pending<'_>>; 2] {
        let (chunk, known) = self.buffers.split();
        let bytes = chunk.get(..self.filled).unwrap_or_default();
        self.pass.feed(bytes, known)
    }
}
