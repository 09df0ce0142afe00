//! The lab's own kernel modules: stand-ins that are built for Windows and put beside Wine's.

use anyhow::Result;
use anyhow::bail;

use crate::controller;
use crate::lab::Lab;
use crate::services::DRIVERS;

impl Lab {
    /// Puts the lab's filter manager in the place of Wine's, which only pretends. From then on drivers that import FLTMGR.SYS get
    /// this one: to be called before the first of them is loaded.
    pub fn install_filter_manager(&self) -> Result<()> {
        let module = controller::build_program("gatehouse-filter-manager", "fltmgr.dll")?;
        self.put(&module, &format!(r"{DRIVERS}\fltmgr.sys"))
    }

    /// Gives a service's key what makes it a filter: an instance with an altitude.
    pub fn create_filter_instance(&self, service: &str, altitude: &str) -> Result<()> {
        let instances = format!(r"HKLM\SYSTEM\CurrentControlSet\Services\{service}\Parameters\Instances");
        let instance = format!(r"{instances}\{service}");
        for (key, value, text) in [
            (&instances, "DefaultInstance", service),
            (&instance, "Altitude", altitude),
        ] {
            let output = self.run("reg.exe", &["add", key, "/v", value, "/d", text, "/f"])?;
            if !output.success() {
                bail!(
                    "cannot write {value} to {key}: {}{}",
                    output.stdout,
                    output.stderr
                );
            }
        }
        Ok(())
    }

    /// Says what the filter manager is to do out of the ordinary, an order a line; nothing when empty. It knows
    /// `refuse-registration STATUS` and `fail-read NAME STATUS`, with statuses in hexadecimal.
    pub fn steer_filter_manager(&self, orders: &str) -> Result<()> {
        self.write(r"C:\lab\filter-manager.txt", orders.as_bytes())
    }
}
