//! Kernel services in the lab: creating, starting and stopping them with Windows's own commands.

use anyhow::Result;
use anyhow::bail;

use crate::lab::Lab;
use crate::lab::Output;
use crate::lab::SERVICE_GROUP;

/// Where Windows keeps drivers.
pub const DRIVERS: &str = r"C:\windows\system32\drivers";

impl Lab {
    /// Runs `sc.exe`.
    pub fn sc(&self, arguments: &[&str]) -> Result<Output> {
        self.run("sc.exe", arguments)
    }

    /// Creates a kernel service that is started by hand, in the group whose drivers see each other's loads.
    pub fn create_service(&self, service: &str, image: &str) -> Result<()> {
        let output = self.sc(&[
            "create",
            service,
            "type=",
            "kernel",
            "start=",
            "demand",
            "group=",
            SERVICE_GROUP,
            "binPath=",
            image,
        ])?;
        if !output.success() {
            bail!(
                "cannot create the service {service} in the lab: {}{}",
                output.stdout,
                output.stderr
            );
        }
        Ok(())
    }

    /// Starts a service; the answer tells whether its driver's entry point accepted.
    pub fn net_start(&self, service: &str) -> Result<Output> {
        self.run("net.exe", &["start", service])
    }

    /// Stops a service.
    pub fn net_stop(&self, service: &str) -> Result<Output> {
        self.run("net.exe", &["stop", service])
    }

    /// Whether a service is running.
    pub fn is_running(&self, service: &str) -> Result<bool> {
        Ok(self.sc(&["query", service])?.stdout.contains("RUNNING"))
    }
}
