<#
.SYNOPSIS
Signs the driver with a certificate of this machine's own and installs it. For test machines only.

.DESCRIPTION
Makes a code-signing certificate (once), trusts it on this machine, makes and signs the catalogue, signs gatehouse.sys, and
installs the package as the primitive driver that it is. Removing undoes all of it.

Windows loads such a driver only while test signing is on: bcdedit /set testsigning on, then restart (Secure Boot must be off).
Never trust a test certificate on a machine that anybody depends on.

This script has not been run in the lab: Inf2Cat, SignTool and the driver store are Windows' own. What it should show is
written beside each step.

Source of the steps: Microsoft, "How to Test-Sign a Driver Package", "Installing a Test-Signed Driver Package".

.PARAMETER Package
Folder with gatehouse.sys and gatehouse.inf.

.PARAMETER Kit
bin folder of the Windows Driver Kit that holds x64\signtool.exe and x86\inf2cat.exe. Found by itself as a rule.

.PARAMETER Remove
Stops the driver and removes the package and the certificate.

.EXAMPLE
.\Install-TestSigned.ps1 -Package target\package

.EXAMPLE
.\Install-TestSigned.ps1 -Remove
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess)]
param(
    [string] $Package = $PSScriptRoot,
    [string] $Kit,
    [switch] $Remove
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$Subject = 'CN=Gatehouse test signing'
$Stores = 'Cert:\LocalMachine\Root', 'Cert:\LocalMachine\TrustedPublisher'

# Runs a program; its failure ends the script and names it.
function Invoke-Program([string] $Program, [string[]] $Arguments) {
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) {
        throw "$Program failed with exit code $LASTEXITCODE"
    }
}

# The newest tool of this name in the Windows Driver Kit.
function Find-Tool([string] $Folder, [string] $Name) {
    $places = if ($Kit) { $Kit } else { "${env:ProgramFiles(x86)}\Windows Kits\10\bin\10.*" }
    $found = Get-ChildItem -Path (Join-Path $places "$Folder\$Name") -ErrorAction SilentlyContinue |
        Sort-Object FullName |
        Select-Object -Last 1
    if (-not $found) {
        throw "$Name was not found; install the Windows Driver Kit, or name its bin folder with -Kit"
    }
    $found.FullName
}

# The published names (oemNN.inf) under which the driver store holds this package.
function Get-PublishedName {
    Get-WindowsDriver -Online |
        Where-Object { (Split-Path -Leaf $_.OriginalFileName) -eq 'gatehouse.inf' } |
        ForEach-Object { $_.Driver }
}

function Remove-Package {
    # 1060: there is no such service. 1062: it is not running.
    & sc.exe stop gatehouse | Out-Null
    if ($LASTEXITCODE -notin 0, 1060, 1062) {
        throw "the driver does not stop (system error $LASTEXITCODE); close what has its device open"
    }
    foreach ($name in @(Get-PublishedName)) {
        # Shows "Driver package deleted successfully."
        Invoke-Program 'pnputil.exe' '/delete-driver', $name, '/uninstall'
    }
}

if ($Remove) {
    if ($PSCmdlet.ShouldProcess('gatehouse', 'remove driver package and test certificate')) {
        Remove-Package
        Get-ChildItem ($Stores + 'Cert:\LocalMachine\My') | Where-Object Subject -eq $Subject | Remove-Item
    }
    return
}

# What this start of Windows was told, in no particular language.
$started = (Get-ItemProperty -LiteralPath HKLM:\SYSTEM\CurrentControlSet\Control).SystemStartOptions
if ($started -notmatch 'TESTSIGNING') {
    throw 'test signing is off; run "bcdedit /set testsigning on", restart, and try again'
}
foreach ($name in 'gatehouse.sys', 'gatehouse.inf') {
    if (-not (Test-Path -LiteralPath (Join-Path $Package $name))) {
        throw "$Package holds no $name; name the package's folder with -Package"
    }
}
$signtool = Find-Tool 'x64' 'signtool.exe'
$inf2cat = Find-Tool 'x86' 'inf2cat.exe'

if (-not $PSCmdlet.ShouldProcess($Package, 'sign with a test certificate and install')) {
    return
}

$certificate = Get-ChildItem Cert:\LocalMachine\My |
    Where-Object { $_.Subject -eq $Subject -and $_.NotAfter -gt (Get-Date) } |
    Select-Object -First 1
if (-not $certificate) {
    $certificate = New-SelfSignedCertificate -Type CodeSigningCert -Subject $Subject -HashAlgorithm SHA256 `
        -KeyAlgorithm RSA -KeyLength 3072 -KeyExportPolicy NonExportable -NotAfter (Get-Date).AddYears(1) `
        -CertStoreLocation Cert:\LocalMachine\My
    $exported = Join-Path ([IO.Path]::GetTempPath()) 'gatehouse-test.cer'
    Export-Certificate -Cert $certificate -FilePath $exported | Out-Null
    $Stores | ForEach-Object { Import-Certificate -FilePath $exported -CertStoreLocation $_ | Out-Null }
    Remove-Item -LiteralPath $exported
}

# The driver is signed before the catalogue is made, because the catalogue lists the signed file.
$sign = 'sign', '/fd', 'SHA256', '/sm', '/s', 'My', '/sha1', $certificate.Thumbprint
Invoke-Program $signtool ($sign + (Join-Path $Package 'gatehouse.sys'))
# Shows "Signability test complete. Errors: None. Warnings: None."
Invoke-Program $inf2cat "/driver:$Package", '/os:10_X64', '/uselocaltime'
Invoke-Program $signtool ($sign + (Join-Path $Package 'gatehouse.cat'))
# Shows "Successfully verified" for both.
Invoke-Program $signtool 'verify', '/pa', '/c', (Join-Path $Package 'gatehouse.cat'), (Join-Path $Package 'gatehouse.sys')

Remove-Package
# Shows "Driver package added successfully." and "Driver package installed".
Invoke-Program 'pnputil.exe' '/add-driver', (Join-Path $Package 'gatehouse.inf'), '/install'
# Shows "STATE : 4 RUNNING".
Invoke-Program 'sc.exe' 'start', 'gatehouse'
