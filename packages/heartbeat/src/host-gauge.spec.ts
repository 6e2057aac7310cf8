import { beat } from "@understudy/contracts";
import { HostGauge, memoryAvailableBytes } from "./host-gauge.ts";

describe("the host's figures", () => {
  it("take MemAvailable from /proc/meminfo, and say when there is none", () => {
    expect(memoryAvailableBytes("MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n")).toBe(8_388_608);
    expect(memoryAvailableBytes("Mach Virtual Memory Statistics")).toBeUndefined();
  });

  it("are what a beat may carry", async () => {
    const gauge = new HostGauge(".");
    await gauge.sample();
    const figures = beat.event.shape.host.parse(gauge.read());
    expect(figures.memoryTotalBytes).toBeGreaterThan(figures.memoryAvailableBytes);
    expect(figures.diskTotalBytes).toBeGreaterThan(0);
  });

  it("say 0 bytes of disk where the folder cannot be read, instead of failing", async () => {
    const gauge = new HostGauge("/does/not/exist");
    await gauge.sample();
    expect(gauge.read()).toMatchObject({ diskTotalBytes: 0, diskAvailableBytes: 0 });
    expect(gauge.read().memoryTotalBytes).toBeGreaterThan(0);
  });
});
