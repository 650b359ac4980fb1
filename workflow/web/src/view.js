// Viewpoint: an orbit around the head, or one of the capture's calibrated cameras.

import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

const FIELD_OF_VIEW = 24; // degrees, of the orbit

const depthOf = ([x, y, z], m) => m[8] * x + m[9] * y + m[10] * z + m[11];
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

/** Return a camera whose matrices only `put` sets. */
function placed() {
  const camera = new THREE.PerspectiveCamera();
  camera.matrixAutoUpdate = false;
  camera.matrixWorldAutoUpdate = false;
  return camera;
}

/** Place a camera with a given projection by the matrix `world`. */
function put(camera, world) {
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
  camera.matrix.copy(world);
  camera.matrixWorld.copy(world);
  camera.matrixWorldInverse.copy(world).invert();
}

export class View {
  constructor(header, canvas, onChange) {
    this.cameras = header.cameras; // name, K [9], viewmat [16] (head space to OpenCV camera)
    this.imageSize = header.image_size; // [width, height] of the calibrated images
    this.orbit = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 10, 10000);
    this.free = placed(); // the orbit, rotated relative to the head
    this.fixed = placed();
    this.turned = new THREE.Quaternion(); // the head, in the free view
    this.chosen = null;
    this.calibrated = median(header.cameras.map(({ K, viewmat }) => K[4] / depthOf(header.center, viewmat))); // px per mm
    this.controls = new OrbitControls(this.orbit, canvas);
    this.controls.target.fromArray(header.center);
    this.distance = (0.5 * header.height_mm) / Math.tan((0.5 * FIELD_OF_VIEW * Math.PI) / 180);
    this.controls.minDistance = 0.2 * this.distance;
    this.controls.maxDistance = 5 * this.distance;
    this.controls.addEventListener("change", () => {
      this.chosen = null;
      onChange();
    });
    this.front();
  }

  get camera() {
    return this.chosen === null ? this.free : this.fixed;
  }

  /** View the face from the front. */
  front() {
    this.chosen = null;
    const target = this.controls.target;
    this.orbit.position.set(target.x, target.y, target.z + this.distance);
    this.controls.update();
  }

  /** Rotate the view around the head by two angles in radians: sideways, and up. */
  turn(side, up) {
    const away = this.orbit.position.clone().sub(this.controls.target);
    const place = new THREE.Spherical().setFromVector3(away);
    place.theta += side;
    place.phi -= up;
    this.orbit.position.setFromSpherical(place.makeSafe()).add(this.controls.target);
    this.controls.update();
  }

  /** Rotate the head in the free view by a quaternion, xyzw; null: no rotation. */
  turnHead(quat) {
    this.turned.fromArray(quat ?? [0, 0, 0, 1]);
  }

  /** Multiply the distance by `factor`. */
  zoom(factor) {
    this.orbit.position.sub(this.controls.target).multiplyScalar(factor).add(this.controls.target);
    this.controls.update();
  }

  /** Use a calibrated camera by name; null returns to the orbit. */
  choose(name) {
    this.chosen = this.cameras.find((camera) => camera.name === name) ?? null;
  }

  /** Fit the projection to a canvas of `width` × `height`. */
  resize(width, height) {
    if (this.chosen === null) {
      this.orbit.aspect = width / height;
      this.orbit.updateProjectionMatrix();
      this.orbit.updateMatrixWorld();
      const center = this.controls.target;
      const around = new THREE.Matrix4().makeRotationFromQuaternion(this.turned.clone().invert());
      around.setPosition(center.clone().sub(center.clone().applyMatrix4(around)));
      this.free.projectionMatrix.copy(this.orbit.projectionMatrix);
      put(this.free, around.multiply(this.orbit.matrixWorld));
      [this.free.near, this.free.far] = [this.orbit.near, this.orbit.far];
      return;
    }
    const [W] = this.imageSize;
    const [fx, , cx, , fy, cy] = this.chosen.K;
    const [left, top, wide] = this.picture(width, height);
    const scale = wide / W;
    const near = 10, far = 10000;
    const x0 = (-near * (scale * cx + left)) / (scale * fx), x1 = (near * (width - scale * cx - left)) / (scale * fx);
    const y1 = (near * (scale * cy + top)) / (scale * fy), y0 = (-near * (height - scale * cy - top)) / (scale * fy);
    this.fixed.projectionMatrix.makePerspective(x0, x1, y1, y0, near, far);
    // OpenCV looks along +z with y down, WebGL along -z with y up
    const toCamera = new THREE.Matrix4().set(...this.chosen.viewmat).premultiply(new THREE.Matrix4().makeScale(1, -1, -1));
    put(this.fixed, toCamera.invert());
    [this.fixed.near, this.fixed.far] = [near, far];
  }

  /** Return left, top, width and height of a whole calibrated image, centered in a `width` × `height` canvas. */
  picture(width, height) {
    const [W, H] = this.imageSize;
    const scale = Math.min(width / W, height / H);
    return [0.5 * (width - scale * W), 0.5 * (height - scale * H), scale * W, scale * H];
  }

  /** Return the pixels of a `width` × `height` canvas per pixel of the calibrated images. */
  magnification(width, height) {
    if (this.chosen !== null) return this.picture(width, height)[2] / this.imageSize[0];
    const distance = this.orbit.position.distanceTo(this.controls.target);
    const here = (0.5 * height) / Math.tan((0.5 * FIELD_OF_VIEW * Math.PI) / 180) / distance;
    return here / this.calibrated;
  }

  /** Return a function from head space to [x, y, depth]: pixels of a `width` × `height` canvas, millimeters. */
  projector(width, height) {
    const camera = this.camera;
    const world = camera.matrixWorldInverse.elements;
    const clip = new THREE.Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse).elements;
    return ([x, y, z]) => {
      const w = clip[3] * x + clip[7] * y + clip[11] * z + clip[15];
      const u = (clip[0] * x + clip[4] * y + clip[8] * z + clip[12]) / w;
      const v = (clip[1] * x + clip[5] * y + clip[9] * z + clip[13]) / w;
      const depth = -(world[2] * x + world[6] * y + world[10] * z + world[14]);
      return [0.5 * (u + 1) * width, 0.5 * (1 - v) * height, depth];
    };
  }

  /** Return the point under pixel (x, y) in the plane through `point` that faces the viewer, in head space. */
  dragTo(point, x, y, width, height) {
    const camera = this.camera;
    const seen = new THREE.Vector3(...point).applyMatrix4(camera.matrixWorldInverse);
    const depth = seen.z;
    const ray = new THREE.Vector3((2 * x) / width - 1, 1 - (2 * y) / height, 0.5).applyMatrix4(camera.projectionMatrixInverse);
    ray.multiplyScalar(depth / ray.z).applyMatrix4(camera.matrixWorld);
    return ray.toArray();
  }
}
