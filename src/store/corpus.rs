//! A corpus and how it is opened.

use super::lock::Lock;
use super::schema::{self, Version};
use super::sqlite::{self, failed};
use super::{Reader, Writer};
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::new_file::NewFile;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Connections that are kept for the next readers.
const IDLE: usize = 16;
/// How long SQLite waits for another program's lock on the file itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A corpus: a file of articles, their passages, vectors and topics.
///
/// Cheap to clone and shared between threads. [`Corpus::reader`] gives one consistent view of it,
/// as many as are wanted, also while someone writes; [`Corpus::writer`] gives the one writer.
///
/// The file may be copied, moved or replaced while nobody writes; what lies beside it
/// (`-wal`, `-shm`) goes with it while anybody has it open.
///
/// ```
/// use nearwise::{Article, Corpus, Job};
///
/// # fn main() -> nearwise::Result<()> {
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let path = folder.path().join("news.nearwise");
/// let corpus = Corpus::create(&path)?;
/// let before = corpus.reader()?;
/// let article = Article { id: Some("a".into()), text: "Rates fell.".into(), ..Article::default() };
/// corpus.writer()?.add([article], &Job::new())?;
/// assert_eq!(before.counts()?.articles, 0, "a reader keeps to its snapshot");
/// assert_eq!(corpus.reader()?.counts()?.articles, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Corpus {
    shared: Arc<Shared>,
}

/// What readers and writers of a corpus share.
struct Shared {
    path: PathBuf,
    /// Whether a writer makes the file anew where it has gone.
    make: bool,
    /// Whether opening made the file, and no writer has taken it over yet.
    fresh: AtomicBool,
    idle: Mutex<Vec<Opened>>,
    derived: Mutex<Option<(String, Arc<dyn Any + Send + Sync>)>>,
}

impl std::fmt::Debug for Corpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Corpus").field(&self.shared.path).finish()
    }
}

impl Corpus {
    /// Opens a corpus that is there.
    ///
    /// # Errors
    /// There is none, it is no corpus, is damaged, or was made by a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = &resolved(path.as_ref());
        exists(path)?;
        let corpus = Self::at(path, false);
        corpus.reader()?;
        Ok(corpus)
    }

    /// A handle of a corpus that may be damaged, for [`Corpus::check`] and [`Corpus::repair`]: nothing
    /// of it is read yet.
    ///
    /// # Errors
    /// There is none.
    pub fn open_damaged(path: impl AsRef<Path>) -> Result<Self> {
        let path = &resolved(path.as_ref());
        exists(path)?;
        Ok(Self::at(path, false))
    }

    /// Makes a corpus where there is no file yet.
    ///
    /// # Errors
    /// There is a file already ([`ErrorKind::AlreadyExists`]); the folder does not exist or cannot
    /// be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = &resolved(path.as_ref());
        folder_exists(path)?;
        let lock = Lock::take(path)?;
        if path.symlink_metadata().is_ok() {
            return Err(Error::corpus(
                ErrorKind::AlreadyExists,
                path,
                "there is a file of this name already",
            ));
        }
        open_to_write(path, true)?;
        drop(lock);
        Ok(Self::at(path, false))
    }

    /// Opens a corpus, and makes it where there is none.
    ///
    /// # Errors
    /// As [`Corpus::open`] and [`Corpus::create`].
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self> {
        let path = &resolved(path.as_ref());
        if !path.exists() {
            match Self::create(path) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                // Another process is just making it; its own words come from whoever writes.
                Err(e) if e.kind() == ErrorKind::Busy => {}
                Err(e) => return Err(e),
                Ok(_) => {
                    let corpus = Self::at(path, true);
                    corpus.shared.fresh.store(true, Ordering::Relaxed);
                    return Ok(corpus);
                }
            }
        } else if path
            .metadata()
            .map_or(true, |m| !m.is_file() || m.len() > 0)
        {
            // An empty file, such as one that only holds the name, becomes a corpus.
            Self::at(path, true).reader()?;
        }
        Ok(Self::at(path, true))
    }

    /// A handle of the corpus at a resolved path.
    fn at(path: &Path, make: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                path: path.to_path_buf(),
                make,
                fresh: AtomicBool::new(false),
                idle: Mutex::default(),
                derived: Mutex::default(),
            }),
        }
    }

    /// The corpus file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// A snapshot of the corpus as it is now. Whatever it is asked agrees, whoever writes
    /// meanwhile; ask for a new reader to see what came since.
    ///
    /// # Errors
    /// The file has gone, is damaged, or was made by a newer version.
    pub fn reader(&self) -> Result<Reader> {
        let path = self.path();
        let file = file_number(path);
        let kept = self.shared.idle.lock().ok().and_then(|mut idle| {
            // Where the file has gone or was replaced by another, what is open is of the old one.
            idle.retain(|opened| opened.file.is_some() && opened.file == file);
            idle.pop()
        });
        // A newer version of the program may have changed the tables since.
        let current =
            |opened: &Opened| matches!(version(&opened.connection, path), Ok(Version::Current));
        let opened = match kept.filter(current) {
            Some(opened) => opened,
            None => open_to_read(path, file)?,
        };
        Reader::begin(opened, self.clone())
    }

    /// The one writer. Nobody else can write until it is dropped, in this process or another.
    ///
    /// # Errors
    /// Another writer is at work ([`ErrorKind::Busy`]); the file or its folder cannot be written.
    pub fn writer(&self) -> Result<Writer> {
        let path = self.path();
        if self.shared.make {
            folder_exists(path)?;
        } else {
            exists(path)?;
        }
        self.writer_with(Lock::take(path)?)
    }

    /// The writer, for who holds the lock already.
    pub(super) fn writer_with(&self, lock: Lock) -> Result<Writer> {
        let path = self.path();
        let fresh = self.shared.fresh.swap(false, Ordering::Relaxed);
        let made = fresh || self.shared.make && !path.exists();
        let connection = open_to_write(path, self.shared.make)?;
        let opened = Opened {
            connection,
            file: file_number(path),
        };
        Ok(Writer::begin(opened, self.clone(), lock, made))
    }

    /// Takes back a connection whose snapshot has ended.
    pub(super) fn keep(&self, opened: Opened) {
        if let Ok(mut idle) = self.shared.idle.lock()
            && idle.len() < IDLE
        {
            idle.push(opened);
        }
    }

    /// Closes the connections that are kept for the next readers.
    pub(super) fn close_idle(&self) {
        if let Ok(mut idle) = self.shared.idle.lock() {
            idle.clear();
        }
    }

    /// What was derived from the vectors of a state and kept by [`Self::keep_derived`].
    pub(crate) fn derived<T: Send + Sync + 'static>(&self, state: &str) -> Option<Arc<T>> {
        let derived = self.shared.derived.lock().ok()?;
        let (of, value) = derived.as_ref()?;
        (of == state)
            .then(|| value.clone().downcast().ok())
            .flatten()
    }

    /// Keeps what was derived from the vectors of a state, in place of what was kept.
    pub(crate) fn keep_derived<T: Send + Sync + 'static>(&self, state: String, value: Arc<T>) {
        if let Ok(mut derived) = self.shared.derived.lock() {
            *derived = Some((state, value));
        }
    }
}

/// The file that a link leads to, whether it is there or not: the lock and SQLite's own files stand
/// beside the file itself, so that a link to it is the same corpus.
pub(super) fn resolved(path: &Path) -> PathBuf {
    /// As many as the system follows.
    const LINKS: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        let Ok(target) = std::fs::read_link(&path) else {
            break;
        };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

fn exists(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(data) if data.is_file() => return Ok(()),
        Ok(_) => {
            let message = "not a file, and so no corpus; name another";
            return Err(Error::corpus(ErrorKind::NotACorpus, path, message));
        }
        Err(_) => {}
    }
    Err(Error::corpus(
        ErrorKind::NotFound(Missing::Corpus),
        path,
        "no such corpus",
    ))
}

fn folder_exists(path: &Path) -> Result<()> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => Err(Error::corpus(
            ErrorKind::Io,
            path,
            format!("the folder {} does not exist", folder.display()),
        )),
        _ => Ok(()),
    }
}

/// The path as SQLite is given it: names such as `:memory:` are files like any other.
fn plain(path: &Path) -> PathBuf {
    if path.is_absolute() {
        path.to_path_buf()
    } else {
        Path::new(".").join(path)
    }
}

/// Which file a path names, as far as the system says. An open file's number is not given to
/// another, so that a corpus that was replaced is told from the one that is open.
fn file_number(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let data = path.metadata().ok()?;
        Some((data.dev(), data.ino()))
    }
    #[cfg(not(unix))]
    {
        path.metadata().ok().map(|_| (0, 0))
    }
}

/// A connection to read by, and which file it has open.
pub(super) struct Opened {
    pub connection: Connection,
    file: Option<(u64, u64)>,
}

impl Opened {
    /// Whether the path still names the file that is open.
    pub(super) fn is_named(&self, path: &Path) -> bool {
        self.file.is_some() && self.file == file_number(path)
    }
}

fn configure(connection: &Connection, path: &Path) -> Result<()> {
    let set = || {
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    set().map_err(|e| failed(path, e))
}

/// Makes a corpus where nothing is: it appears whole, so that nobody meets one without tables. The
/// caller holds the lock.
fn make(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        let message = "a link that leads nowhere; name another file";
        return Err(Error::corpus(ErrorKind::Io, path, message));
    }
    let file = NewFile::create(path)?;
    let connection = make_at(file.path())?;
    // What a corpus of that name left behind when it was deleted or its writer killed is no part of
    // this one: SQLite would apply an old log to it.
    for end in ["-wal", "-shm", "-journal"] {
        let old = super::beside(path, end);
        match std::fs::remove_file(&old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(old, e)),
            _ => {}
        }
    }
    // The last connection that is closed empties and removes what WAL mode puts beside the file.
    connection.close().map_err(|(_, e)| failed(path, e))?;
    file.finish()
}

/// Makes the tables in an empty file.
pub(super) fn make_at(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = sqlite::open(plain(path), flags).map_err(|e| failed(path, e))?;
    bring_up_to_date(&connection, path)?;
    Ok(connection)
}

/// Opens the file to write, and brings its tables to this version. The caller holds the lock.
pub(super) fn open_to_write(path: &Path, make_it: bool) -> Result<Connection> {
    if make_it && !path.exists() {
        make(path)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = sqlite::open(plain(path), flags).map_err(|e| failed(path, e))?;
    configure(&connection, path)?;
    let set = || {
        // NORMAL in WAL mode survives a kill at any moment; a power cut may undo the last
        // transactions but damages nothing.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "temp_store", "FILE")
    };
    set().map_err(|e| failed(path, e))?;
    bring_up_to_date(&connection, path)?;
    Ok(connection)
}

/// Opens the file as SQLite by itself does, which compares no checksums. Nothing is moved from the
/// log into the file when it is closed.
pub(super) fn open_plain(path: &Path, to_write: bool) -> Result<Connection> {
    let flags = if to_write {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    let open = || {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(plain(path), flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(connection)
    };
    open().map_err(|e| failed(path, e))
}

fn bring_up_to_date(connection: &Connection, path: &Path) -> Result<()> {
    schema::migrate(connection).map_err(|refused| match refused {
        schema::Refused::Sqlite(e) => failed(path, e),
        schema::Refused::Foreign => foreign(path),
        schema::Refused::Newer(version) => newer(path, version),
        schema::Refused::Unsealed => unsealed(path),
        schema::Refused::Unversioned => Error::corpus(
            ErrorKind::Damaged,
            path,
            "it does not say which version of its tables it has; index the articles into a new corpus",
        ),
    })
}

fn foreign(path: &Path) -> Error {
    let empty = path.metadata().is_ok_and(|m| m.len() == 0);
    let message = if empty {
        "an empty file, in which nothing was indexed yet"
    } else {
        "an SQLite database of another program; name another file"
    };
    Error::corpus(ErrorKind::NotACorpus, path, message)
}

fn newer(path: &Path, version: usize) -> Error {
    Error::corpus(
        ErrorKind::NotACorpus,
        path,
        format!("made by a newer nearwise (schema {version}); update nearwise"),
    )
}

fn unsealed(path: &Path) -> Error {
    Error::corpus(
        ErrorKind::Damaged,
        path,
        "damaged, or changed by another program: its pages have lost their checksums; restore it from a copy, or index the articles into a new corpus",
    )
}

/// Opens the file to read alone, also from a folder that cannot be written to.
fn open_to_read(path: &Path, file: Option<(u64, u64)>) -> Result<Opened> {
    exists(path)?;
    let first = match open_shared(path) {
        Ok(connection) => return Ok(Opened { connection, file }),
        Err(e) => e,
    };
    // Reading in WAL mode wants a shared-memory file beside the corpus. Where the folder is
    // read-only nobody writes, and the file can be read as it is.
    if !matches!(first.kind(), ErrorKind::Io | ErrorKind::ReadOnly) {
        return Err(first);
    }
    let log = super::beside(path, "-wal");
    if log.metadata().is_ok_and(|m| m.len() > 0) {
        let message = format!(
            "a run that was killed left a log beside it ({}), and the folder does not let be made what reading both together takes; make it writable, or copy the two to a folder that is",
            log.file_name().unwrap_or_default().display()
        );
        return Err(Error::corpus(ErrorKind::ReadOnly, path, message).with_source(first));
    }
    let uri = immutable_uri(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = sqlite::open(uri, flags).map_err(|e| failed(path, e))?;
    configure(&connection, path)?;
    match version(&connection, path)? {
        // Not kept for later readers: it would not see what somebody else writes.
        Version::Current => Ok(Opened {
            connection,
            file: None,
        }),
        _ => Err(first),
    }
}

/// The path as a URI that says that nobody changes the file meanwhile.
fn immutable_uri(path: &Path) -> String {
    let plain = plain(path);
    let mut uri = "file:".to_string();
    for &byte in plain.as_os_str().as_encoded_bytes() {
        // Any other byte, also those of a name that is no UTF-8, is written by its number.
        if byte.is_ascii_alphanumeric() || b"/\\:._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02x}"));
        }
    }
    uri + "?immutable=1"
}

fn version(connection: &Connection, path: &Path) -> Result<Version> {
    match schema::version_of(connection).map_err(|e| failed(path, e))? {
        Version::Foreign => Err(foreign(path)),
        Version::Newer(version) => Err(newer(path, version)),
        Version::Unsealed => Err(unsealed(path)),
        version => Ok(version),
    }
}

fn open_shared(path: &Path) -> Result<Connection> {
    // Opened for writing as well where that may be, and nothing is written: only then does the
    // last reader take away the files that WAL mode puts beside the corpus.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = sqlite::open(plain(path), flags).map_err(|e| failed(path, e))?;
        configure(&connection, path)?;
        Ok(connection)
    };
    let mut connection = open()?;
    if let Version::Older(of) = version(&connection, path)? {
        // A corpus of an older version is brought to this one by whoever opens it first.
        drop(connection);
        let started = Instant::now();
        let lock = loop {
            match Lock::take(path) {
                // Another reader may be at the same; then there is nothing left to do.
                Err(e) if e.kind() == ErrorKind::Busy && started.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(50));
                    connection = open()?;
                    if version(&connection, path)? == Version::Current {
                        break None;
                    }
                }
                Err(e) => {
                    let why = format!(
                        "made by an older nearwise (schema {of}), and cannot be updated: {}",
                        e.message()
                    );
                    return Err(Error::corpus(e.kind(), path, why).with_source(e));
                }
                Ok(lock) => break Some(lock),
            }
        };
        if lock.is_some() {
            drop(open_to_write(path, false)?);
        }
        connection = open()?;
    }
    let set = || {
        connection.pragma_update(None, "query_only", true)?;
        // Only readers map the file: its pages count as the process's memory, which must not
        // grow with the corpus while it is written.
        connection.pragma_update(None, "mmap_size", 1_i64 << 32)
    };
    set().map_err(|e| failed(path, e))?;
    Ok(connection)
}
