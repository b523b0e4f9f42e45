// Devices that compute: a row each, with all that the rest of the house asks about one.
// In: a kind, or numerics that name one. Out: how a session is opened on it, what it is called, what it promises.
// Why a table: a device decides bits, so plans, heartbeats and manifests speak of it, and none of them lists them.
import { CPU } from './cpu.ts';

export type Device = {
  /** As ONNX Runtime names where a session runs, in order of preference. */
  readonly providers: readonly string[];
  /** Whether everything it computes has the same bits on every machine of the same numerics. */
  readonly bitExact: boolean;
  /** What of this machine decides bits there. In numerics it stands behind the device's kind. */
  numerics(): string;
};

export const DEVICES = { cpu: CPU } as const satisfies Readonly<Record<string, Device>>;
export type DeviceKind = keyof typeof DEVICES;
/** What a worker computes on. */
export const DEFAULT_DEVICE: DeviceKind = 'cpu';

export const DEVICE_KINDS = Object.keys(DEVICES) as readonly DeviceKind[];

/** The device that numerics name; undefined for one that this program does not know. */
export const deviceIn = (numerics: string): DeviceKind | undefined =>
  DEVICE_KINDS.find((kind) => numerics.includes(`+${kind}-`));

/** Whether results under these numerics have the same bits wherever the numerics are the same. */
export function isBitExact(numerics: string): boolean {
  const device = deviceIn(numerics);
  return device !== undefined && DEVICES[device].bitExact;
}
